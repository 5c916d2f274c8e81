"""Long answers for the measurements: Markdown of all kinds in small pieces."""

from __future__ import annotations

import re
from itertools import count, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.upstream import Telling

#: Seconds between two pieces of about 15 bytes: an answer grows by 3 kB in 10 s.
EVERY = 0.05

_CHAPTER = """\
## Part {number}

The lighthouse keeper counts the ships that pass, writes **each of them** down, and draws a line under the *evening*.
Nobody has asked for the list so far; `ships.txt` has {number} pages by now, and the last of them reads like the first.

- a schooner with grey sails, from the north
- two barges, one behind the other, with coal
- a ship that did not answer

```python
def passed(ships: list[str], evening: int) -> int:
    return sum(1 for ship in ships if ship.endswith(str(evening)))
```

| hour | ships | wind |
|------|-------|------|
| 18   | {number} | west |
| 19   | 2     | none |

"""
_PIECE = re.compile(r".{11}\S*\s*|.+", re.DOTALL)


def _pieces() -> Iterator[str]:
    """Yield endless Markdown, one or two words at a time."""
    for number in count(1):
        yield from _PIECE.findall(_CHAPTER.format(number=number))


def prose(seconds: float) -> Telling:
    """Return an answer that takes *seconds* and begins at once."""
    return [(number * EVERY, piece) for number, piece in enumerate(islice(_pieces(), round(seconds / EVERY)))]
