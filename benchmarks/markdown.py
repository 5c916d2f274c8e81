"""The cost of rendering an answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyromark

from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.markdown.plain import to_plain
from agent_bridge.render.syntax.protect import protect
from benchmarks import hostile
from benchmarks.figure import Aim, Figure, median

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.ground import Ground

_BYTES = 100_000
_RUNS = 15
#: Number of slowest hostile texts that are measured again, and measurements of each; the minimum counts.
_WORST, _TRIES = 20, 5
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
    """Measure ``markdown_100kb_ms``, ``markdown_growing_ms`` and ``markdown_8kb_worst_ms``."""
    text, number = "", 0
    while len(text.encode()) < _BYTES:
        number += 1
        text += _SECTION.format(number)
    parser, cost, live = [], [], []
    for _ in range(_RUNS):
        parser.append(_milliseconds(lambda: pyromark.html(text)))
        cost.append(_milliseconds(lambda: to_html(text)))
        live.append(_milliseconds(lambda: to_html(f"{text} word", live=True)))
    growing = _growing(text[:_PART])
    return [
        Figure(
            "markdown_100kb_ms",
            median(cost),
            f"CPU time to render {_BYTES // 1000} kB of mixed Markdown to sanitised HTML, median of {_RUNS}. The "
            "baseline renders the same text with pyromark alone, without extensions and without a sanitiser; the two "
            "alternate.",
            Aim(50),
            cost,
            {
                "the parser alone, ms": median(parser),
                "the same text with one more word, as a growing answer, ms": median(live),
            },
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
        _worst(),
    ]


def _worst() -> Figure:
    costs = sorted(((_of_edit(text), name, text) for name, text in hostile.texts()), reverse=True)
    again = [(min(_of_edit(text) for _ in range(_TRIES)), name) for _, name, text in costs[:_WORST]]
    parser = max(_milliseconds(lambda text=text: pyromark.html(text)) for _, _, text in costs[:_WORST])  # type: ignore[misc]
    worst, name = max(again)
    return Figure(
        "markdown_8kb_worst_ms",
        worst,
        f"Longest CPU time to render an edit, as HTML and as plain text, of {len(costs):,} texts of "
        f"{hostile.LENGTH // 1000} kB with repeated tokens of Markdown, in all combinations of two and many of three. "
        f"The {_WORST} slowest texts are measured {_TRIES} more times, and the minimum of each counts. The slowest "
        f"text: {name}. The baseline renders the same texts with pyromark alone.",
        Aim(50),
        [cost for cost, _ in again],
        {"median of all, ms": median([cost for cost, _, _ in costs]), "the parser alone, ms": parser},
    )


def _of_edit(text: str) -> float:
    return _milliseconds(lambda: (to_html(text, live=True), to_plain(text, live=True)))


def _growing(text: str) -> list[float]:
    return [
        _milliseconds(lambda end=end: to_html(text[:end], live=True))  # type: ignore[misc]
        for end in range(_STEP, len(text), _STEP)
    ]


def _milliseconds(work: Callable[[], object]) -> float:
    # The renderer keeps its last results.
    protect.cache_clear()
    started = time.thread_time()
    work()
    return (time.thread_time() - started) * 1000
