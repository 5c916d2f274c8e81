"""A time limit in seconds during which this process runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

_Result = TypeVar("_Result")
#: Seconds that the limit counts at a time.
_STEP = 0.5


async def within(seconds: float, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Return the result of *work*, or cancel it after *seconds*.

    The time in which the process is frozen (SIGSTOP, a laptop that sleeps) does not count: *work* may be done without
    a chance to tell so.

    Raises:
        TimeoutError: *work* took longer. Other errors are those of *work*.
    """
    task = asyncio.ensure_future(work)
    try:
        left = seconds
        while left > 0:
            step = min(left, _STEP)
            await asyncio.wait({task}, timeout=step)
            if task.done():
                return task.result()
            left -= step
        raise TimeoutError(f"not done within {seconds:g} s")
    finally:
        task.cancel()
        await asyncio.wait({task})
