"""The edits of all answers together: shared fairly, at a fixed rate. On a virtual clock, in exact seconds."""

from __future__ import annotations

import asyncio

import pytest

from agent_bridge.bridge.delivery.edit_budget import EditBudget
from support.virtual_time import virtual_time

RATE = 50.0


async def seconds_for(budget: EditBudget, edits: int) -> float:
    """Return how long *edits* one after the other take."""
    clock = asyncio.get_running_loop().time
    started = clock()
    for _ in range(edits):
        await budget.wait()
    return clock() - started


async def used_up(rate: float = RATE) -> EditBudget:
    """Return a budget without savings."""
    budget = EditBudget(rate)
    await seconds_for(budget, round(rate) + 1)
    return budget


@virtual_time
async def test_savings_are_the_edits_of_a_second() -> None:
    await asyncio.sleep(100)
    budget = EditBudget(RATE)
    # The edit that is due now, and those of the second before.
    assert await seconds_for(budget, round(RATE) + 1) == 0
    assert await seconds_for(budget, 25) == pytest.approx(25 / RATE)


@virtual_time
async def test_concurrent_callers_keep_the_rate() -> None:
    budget = await used_up()
    clock = asyncio.get_running_loop().time
    started = clock()
    await asyncio.gather(*(budget.wait() for _ in range(40)))
    assert clock() - started == pytest.approx(40 / RATE)


@virtual_time
async def test_every_caller_gets_one_edit_in_turn() -> None:
    budget, order = await used_up(200), list[str]()

    async def answer(name: str) -> None:
        for _ in range(5):
            await budget.wait()
            order.append(name)

    await asyncio.gather(*(answer(name) for name in "abcd"))
    assert ["".join(sorted(order[at : at + 4])) for at in range(0, 20, 4)] == ["abcd"] * 5


@pytest.mark.parametrize("asking", [1, 3])
@virtual_time
async def test_a_cancelled_caller_delays_no_other(asking: int) -> None:
    budget = await used_up(2)
    waiting = [asyncio.create_task(budget.wait()) for _ in range(asking)]
    last = asyncio.create_task(seconds_for(budget, 1))
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert all(task.cancelled() for task in waiting)
    assert await last == pytest.approx(1 / 2)


@virtual_time
async def test_a_cancelled_caller_uses_no_edit() -> None:
    budget = await used_up(2)
    for _ in range(20):
        task = asyncio.create_task(budget.wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert await seconds_for(budget, 1) == pytest.approx(1 / 2)


@virtual_time
async def test_each_refusal_halves_the_rate() -> None:
    budget = await used_up()
    budget.refused()
    assert await seconds_for(budget, 20) == pytest.approx(20 * 2 / RATE)
    budget.refused()
    assert await seconds_for(budget, 10) == pytest.approx(10 * 4 / RATE)


@virtual_time
async def test_accepted_edits_restore_the_rate() -> None:
    budget = await used_up()
    for _ in range(3):
        budget.refused()
    for _ in range(40):
        budget.taken()
    await budget.wait()
    assert await seconds_for(budget, 20) == pytest.approx(20 / RATE)


@virtual_time
async def test_the_rate_has_a_lower_bound() -> None:
    """After hours of refusals the next edit is not hours away."""
    budget = await used_up(1000)
    for _ in range(1000):
        budget.refused()
    assert await seconds_for(budget, 10) == pytest.approx(10 * 32 / 1000)


@virtual_time
async def test_a_refusal_ends_the_savings() -> None:
    budget = EditBudget(20)
    budget.refused()
    assert await seconds_for(budget, 5) == pytest.approx(5 * 2 / 20)
