"""Work that goes on until the process ends: it ends together, and never without notice."""

from __future__ import annotations

import asyncio

import pytest

from agent_bridge.bridge.queue.supervision import run_endless
from agent_bridge.core.errors import WorkEnded


class Endless:
    """Work that goes on until it is cancelled, and notes its end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = False

    async def run(self) -> None:
        try:
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended = True


async def test_a_work_that_returns_ends_the_others_and_is_named() -> None:
    other = Endless()
    with pytest.raises(WorkEnded, match=r"^leader ended, which the process cannot go on without$"):
        await run_endless(leader=asyncio.sleep(0), other=other.run())
    assert other.ended


async def test_a_work_that_another_part_cancels_is_no_silent_end() -> None:
    leader, other = Endless(), Endless()
    task = asyncio.create_task(leader.run())
    asyncio.get_running_loop().call_later(0.01, task.cancel)
    with pytest.raises(WorkEnded, match="leader"):
        await run_endless(leader=task, other=other.run())
    assert other.ended


async def test_the_error_of_a_work_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("the cause")

    other = Endless()
    with pytest.raises(ValueError, match="the cause"):
        await run_endless(other=other.run(), failing=fail())
    assert other.ended


async def test_a_cancellation_ends_all_and_is_passed_on() -> None:
    one, other = Endless(), Endless()
    task = asyncio.create_task(run_endless(one=one.run(), other=other.run()))
    await asyncio.gather(one.begun.wait(), other.begun.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (one.ended, other.ended) == (True, True)
