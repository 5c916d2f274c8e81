"""Periodic work: pauses, the signals that end them, and the log of failures."""

from __future__ import annotations

import asyncio
import itertools
import math
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import StoreError, WorkEnded
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NEVER = 3600.0
AT_ONCE = Backoff(first=0.001, cap=0.001)


class Work:
    """Counts its runs; each takes the next of *results*, the last one again and again."""

    def __init__(self, *results: float | Exception | None) -> None:
        self._results = list(results)
        self.runs = 0

    async def __call__(self) -> float | None:
        result = self._results[min(self.runs, len(self._results) - 1)]
        self.runs += 1
        if isinstance(result, Exception):
            raise result
        return result

    async def ran(self, times: int) -> None:
        async def look() -> bool:
            return self.runs >= times

        await eventually(look, f"it ran {times} times")


@asynccontextmanager
async def running(
    work: Work, seconds: float = NEVER, *, wake: asyncio.Event | None = None, retry: Backoff = AT_ONCE
) -> AsyncIterator[None]:
    task = asyncio.create_task(every(seconds, work, name="the work", wake=wake, retry=retry))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def idle(work: Work) -> bool:
    """Tell whether *work* does not run again for some rounds of the loop."""
    before = work.runs
    for _ in range(100):
        await asyncio.sleep(0)
    return work.runs == before


async def test_it_runs_at_once_and_after_each_pause() -> None:
    work = Work(None)
    async with running(work, 0.001):
        await work.ran(5)


async def test_it_can_say_when_it_is_due() -> None:
    work = Work(0.001, 0, 0.001, NEVER)
    async with running(work, 0.002):
        await work.ran(4)
        assert await idle(work)


@pytest.mark.parametrize("seconds", [NEVER, math.inf])
async def test_a_wake_up_ends_the_pause(seconds: float) -> None:
    work, wake = Work(None), asyncio.Event()
    async with running(work, seconds, wake=wake):
        for times in range(1, 5):
            await work.ran(times)
            assert await idle(work)
            wake.set()


async def test_a_wake_up_does_not_shorten_the_rest() -> None:
    loop = asyncio.get_running_loop()
    began: list[float] = []
    wake = asyncio.Event()

    async def work() -> None:
        began.append(loop.time())
        loop.call_soon(wake.set)

    task = asyncio.create_task(every(NEVER, work, name="the work", wake=wake, rest=0.05))

    async def ran_often() -> bool:
        return len(began) > 3

    await eventually(ran_often, "it ran often")
    task.cancel()
    await asyncio.wait({task})
    assert all(after - before >= 0.05 for before, after in itertools.pairwise(began))


async def test_a_wake_up_while_it_runs_is_kept() -> None:
    wake, gate, runs = asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        runs.append(wake.is_set())
        await gate.wait()

    task = asyncio.create_task(every(NEVER, work, name="the work", wake=wake))

    async def ran_twice() -> bool:
        wake.set()
        gate.set()
        return len(runs) > 1

    await eventually(ran_twice, "it ran again")
    task.cancel()
    await asyncio.wait({task})
    assert not any(runs)


async def test_work_that_fails_as_it_is_cancelled_does_not_go_on() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise StoreError("the database is away") from None

    task = asyncio.create_task(every(NEVER, work, name="the work", retry=AT_ONCE))
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({task})
    assert task.cancelled()


async def test_work_whose_part_ended_is_not_repeated() -> None:
    """So that the process ends, and its supervisor starts it again."""
    work = Work(WorkEnded("the leader ended"))
    with pytest.raises(WorkEnded):
        await every(NEVER, work, name="the work", retry=AT_ONCE)
    assert work.runs == 1


async def test_of_failures_in_a_row_the_log_has_the_first_and_the_end() -> None:
    down, away = StoreError("down"), StoreError("away")
    work = Work(down, away, down, None, None, away, None, NEVER)
    with capture_logs() as logs:
        # A machine may be so busy that a run takes longer than a shorter cap: it does not count as one in a row then.
        async with running(work, 0.001, retry=Backoff(first=0.001, cap=60)):
            await work.ran(8)
    assert [(log["log_level"], log["work"], log.get("error"), log.get("failures")) for log in logs] == [
        ("warning", "the work", "down", None),
        ("info", "the work", None, 3),
        ("warning", "the work", "away", None),
        ("info", "the work", None, 1),
    ]


async def test_failures_in_a_row_are_retried_ever_later() -> None:
    loop = asyncio.get_running_loop()
    began: list[float] = []

    async def work() -> None:
        began.append(loop.time())
        raise StoreError("down")

    task = asyncio.create_task(every(NEVER, work, name="the work", retry=Backoff(first=0.02, cap=0.08)))

    async def failed_often() -> bool:
        return len(began) > 5

    await eventually(failed_often, "it failed often")
    task.cancel()
    await asyncio.wait({task})
    pauses = [after - before for before, after in itertools.pairwise(began)]
    assert all(pause >= least for pause, least in zip(pauses, [0.02, 0.04, 0.08, 0.08, 0.08], strict=False))


async def test_a_failure_after_a_long_run_is_a_first_one() -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.01)
        raise StoreError(f"failure {runs}")

    with capture_logs() as logs:
        task = asyncio.create_task(every(NEVER, work, name="the work", retry=AT_ONCE))

        async def failed_often() -> bool:
            return runs > 3

        await eventually(failed_often, "it failed often")
        task.cancel()
        await asyncio.wait({task})
    assert [log["error"] for log in logs][:3] == ["failure 1", "failure 2", "failure 3"]


async def test_a_wake_up_ends_the_pause_after_a_failure() -> None:
    work, wake = Work(StoreError("down"), None), asyncio.Event()
    async with running(work, wake=wake, retry=Backoff(first=NEVER, cap=NEVER)):
        await work.ran(1)
        assert await idle(work)
        wake.set()
        await work.ran(2)


async def test_any_other_error_ends_it() -> None:
    with pytest.raises(LookupError, match="a mistake"):
        async with asyncio.timeout(10):
            await every(0.001, Work(None, LookupError("a mistake")), name="the work")


@pytest.mark.parametrize("wake", [None, asyncio.Event()])
@pytest.mark.parametrize("rounds", range(8))
async def test_it_can_be_cancelled_at_any_moment(wake: asyncio.Event | None, rounds: int) -> None:
    task = asyncio.create_task(every(0.0, Work(None), name="the work", wake=wake))
    for _ in range(rounds):
        await asyncio.sleep(0)
    if wake is not None:
        wake.set()
    task.cancel()
    await asyncio.wait({task}, timeout=10)
    assert task.cancelled()
