"""Computations beside the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

#: Characters that are rendered before a thread could begin. Rendering takes at most 6 microseconds a character.
_SHORT = 1_000


async def rendered(
    length: int, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Return the result of the pure *function*, which takes a time in proportion to *length* characters.

    A long text is rendered in a thread, so that the event loop serves the other rooms at the same time.
    """
    if length <= _SHORT:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)
