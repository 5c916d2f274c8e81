"""A blocked event loop is noticed, with the code that blocks it."""

from __future__ import annotations

import asyncio
import time

from agent_bridge.web.loop_watchdog import LoopWatchdog
from support.conditions import eventually


def compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def noticed(watchdog: LoopWatchdog, count: int) -> None:
    async def enough() -> bool:
        return len(watchdog.stalls) >= count

    await eventually(enough, f"{count} stalls are noticed")


async def test_a_computation_is_noticed_with_its_cause() -> None:
    async with LoopWatchdog(interval=0.01) as watchdog:
        await asyncio.sleep(0.05)
        compute(0.2)
        await noticed(watchdog, 1)
    stall = max(watchdog.stalls, key=lambda stall: stall.computed)
    assert stall.seconds >= stall.computed > 0.15
    assert " compute" in stall.stack
    assert "test_loop_watchdog.py" in stall.stack
    assert watchdog.take_longest() == stall
    assert watchdog.take_longest().computed == 0


async def test_a_blocking_call_is_no_computation() -> None:
    async with LoopWatchdog(interval=0.01) as watchdog:
        time.sleep(0.2)  # noqa: ASYNC251 - the fault that the test is about
        await noticed(watchdog, 1)
    stall = max(watchdog.stalls, key=lambda stall: stall.seconds)
    assert stall.seconds > 0.15
    assert stall.computed < 0.05
    assert "test_a_blocking_call_is_no_computation" in stall.stack


async def test_a_loop_that_serves_others_computes_nothing_for_long() -> None:
    async with LoopWatchdog(interval=0.01) as watchdog:
        await asyncio.gather(*(asyncio.to_thread(compute, 0.2) for _ in range(3)))
        for _ in range(20):
            compute(0.01)
            await asyncio.sleep(0)
    assert [stall for stall in watchdog.stalls if stall.computed > 0.05] == []
