"""The cost of rendering an answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from agent_bridge.render import markdown as renderer
from benchmarks.figure import Aim, Figure, median

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.ground import Ground

_BYTES = 100_000
_RUNS = 15
#: Growth of the answer per step in characters, and its final size in bytes, which fits into one event.
_STEP, _PART = 60, 9_000
_SECTION = """## Section {0} about *things*

Some **bold** text with `code_{0}`, a [link](https://example.org/{0}) and more words to read, so that the paragraph is
as long as they are. It goes on with ~~gone~~ text, $x_{{{0}}}^2$, ||hidden {0}|| and https://example.org/auto/{0}.

- one item with **marks**
- another `item {0}`
  - [ ] nested

```python
def f(x):
    return x < {0}
```

| a | b | c |
|---|---|---|
| 1 | **{0}** | 3 |
| 4 | 5 | 6 |

> quoted words of {0}

"""


async def markdown(_ground: Ground) -> list[Figure]:
    """Measure ``markdown_100kb_ms`` and ``markdown_growing_ms``."""
    text, number = "", 0
    while len(text.encode()) < _BYTES:
        number += 1
        text += _SECTION.format(number)
    bare = MarkdownIt("commonmark")
    plain, cold, warm = [], [], []
    for _ in range(_RUNS):
        plain.append(_milliseconds(lambda: bare.render(text)))
        renderer.forget()
        cold.append(_milliseconds(lambda: renderer.to_html(text)))
        warm.append(_milliseconds(lambda: renderer.to_html(f"{text} word", live=True)))
    growing = _growing(text[:_PART])
    return [
        Figure(
            "markdown_100kb_ms",
            median(cold),
            f"CPU time to render {_BYTES // 1000} kB of mixed Markdown to sanitised HTML with empty caches, median of "
            f"{_RUNS}. The baseline renders the same text with markdown-it's CommonMark, without extensions and "
            "without a sanitiser; the two alternate. The parser, which is written in Python, takes most of the time.",
            Aim(50),
            cold,
            {"CommonMark alone, ms": median(plain), "the same text with one more word, ms": median(warm)},
        ),
        Figure(
            "markdown_growing_ms",
            median(growing),
            f"CPU time per edit: an answer grows in steps of {_STEP} characters to {_PART // 1000} kB, the size of "
            "one event, and is rendered at each step.",
            None,
            (),
            {"slowest ms": max(growing), "all steps together ms": sum(growing)},
        ),
    ]


def _growing(text: str) -> list[float]:
    renderer.forget()
    return [
        _milliseconds(lambda end=end: renderer.to_html(text[:end], live=True))  # type: ignore[misc]
        for end in range(_STEP, len(text), _STEP)
    ]


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000
