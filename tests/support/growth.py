"""The growth of the time of some work with the length of a text, independent of the load of the machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Characters of the texts that are compared, and how often each is tried.
_SHORT, _LONG = 2_000, 8_000
_TRIES = 3
#: A ratio that needs no further try.
_CLEAR = 5
#: Seconds that count as zero: shorter times have too much noise.
_NOTHING = 0.0005


def growth(work: Callable[[str], object], *pieces: str) -> float:
    """Return how many times as long *work* takes with a long text of *pieces* as with a short one.

    A text consists of about as many characters of each piece, repeated, one behind the other. The time is CPU time of
    this thread, the least of several tries by turns. A small ratio needs one try.
    """
    texts = ["".join(piece * (length // len(pieces) // len(piece)) for piece in pieces) for length in (_SHORT, _LONG)]
    least = [float("inf")] * 2
    for _ in range(_TRIES):
        for at, text in enumerate(texts):
            started = time.thread_time()
            work(text)
            least[at] = min(least[at], time.thread_time() - started)
        if (ratio := least[1] / max(least[0], _NOTHING)) < _CLEAR:
            break
    return ratio
