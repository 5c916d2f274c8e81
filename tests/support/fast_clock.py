"""Tests of rates and of long pauses with real servers: the clock of their event loop runs faster."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def fast_clock(factor: float) -> Iterator[None]:
    """Let the clock of the event loop run *factor* times as fast for the length of the block.

    All pauses and time limits of its tasks are shorter by that; servers and :mod:`time` keep their clocks. The clock
    never jumps: afterwards it stays ahead.
    """
    loop: Any = asyncio.get_running_loop()
    clock, select, begun = loop.time, loop._selector.select, loop.time()

    def wait(timeout: float | None = None) -> Any:
        return select(timeout if timeout is None else timeout / factor)

    loop.time, loop._selector.select = lambda: begun + (clock() - begun) * factor, wait
    try:
        yield
    finally:
        ahead = loop.time() - clock()
        loop.time, loop._selector.select = lambda: clock() + ahead, select
