"""Waiting for conditions: never for time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Seen = TypeVar("Seen")

_PAUSE = 0.02
#: Seconds after which a condition counts as never met. A busy machine is ten times slower than a quiet one.
DEADLINE = 60.0


async def eventually(look: Callable[[], Awaitable[Seen | None]], what: str, within: float = DEADLINE) -> Seen:
    """Return the first true result of *look*; fail when there is none within *within* seconds."""
    deadline = asyncio.get_running_loop().time() + within
    while not (seen := await look()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}")
        await asyncio.sleep(_PAUSE)
    return seen
