"""Waiting for conditions: never for time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Seen = TypeVar("Seen")

#: The first pause between two looks, its growth, and the longest one: most conditions hold soon, and a look takes time.
_PAUSE, _GROWTH, _LONGEST = 0.02, 1.2, 0.1
#: Seconds after which a condition counts as never met. A busy machine is ten times slower than a quiet one.
DEADLINE = 60.0


async def eventually(look: Callable[[], Awaitable[Seen | None]], what: str, within: float = DEADLINE) -> Seen:
    """Return the first true result of *look*; fail when there is none within *within* seconds."""
    deadline = asyncio.get_running_loop().time() + within
    pause = _PAUSE
    while not (seen := await look()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}")
        await asyncio.sleep(pause)
        pause = min(pause * _GROWTH, _LONGEST)
    return seen
