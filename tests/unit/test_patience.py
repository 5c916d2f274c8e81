"""A time limit that a freeze of the process does not use up."""

from __future__ import annotations

import asyncio
import time

import pytest

from agent_bridge.files.patience import within


async def _answer(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


async def test_the_result_and_the_errors_are_those_of_the_work() -> None:
    assert await within(5, _answer(0)) == "done"
    with pytest.raises(ZeroDivisionError):
        await within(5, _fail())


async def _fail() -> None:
    raise ZeroDivisionError


async def test_work_that_takes_too_long_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        await within(0.01, endless())
    assert cancelled.is_set()


async def test_a_frozen_process_loses_no_result() -> None:
    waiting = asyncio.create_task(within(1, _steps(10)))
    await asyncio.sleep(0)
    # A blocked loop, like a frozen process, sees all its timers at once.
    time.sleep(1.2)  # noqa: ASYNC251
    assert await waiting == "done"


async def _steps(number: int) -> str:
    """Return after some rounds of the loop, as a result does that comes through a pipe."""
    for _ in range(number):
        await asyncio.sleep(0)
    return "done"
