"""The edits of all answers together: fairly shared, at a rate that is kept. On the real clock, in small."""

from __future__ import annotations

import asyncio
import time

import pytest

from agent_bridge.bridge.delivery.edit_budget import EditBudget

RATE = 50.0


async def seconds_for(budget: EditBudget, edits: int) -> float:
    started = time.monotonic()
    for _ in range(edits):
        await budget.wait()
    return time.monotonic() - started


async def used_up(rate: float = RATE) -> EditBudget:
    """Return a budget with nothing saved."""
    budget = EditBudget(rate)
    assert await seconds_for(budget, round(rate)) < 0.5
    return budget


async def test_what_was_saved_is_a_second_s_worth() -> None:
    budget = EditBudget(RATE)
    assert await seconds_for(budget, round(RATE)) < 0.5
    # From now on the rate counts.
    assert await seconds_for(budget, 25) == pytest.approx(25 / RATE, abs=0.2)


async def test_the_rate_is_kept_however_many_ask() -> None:
    budget = await used_up()
    started = time.monotonic()
    await asyncio.gather(*(budget.wait() for _ in range(40)))
    assert time.monotonic() - started >= 39 / RATE - 0.05


async def test_everybody_gets_one_in_turn() -> None:
    budget, order = await used_up(200), list[str]()

    async def answer(name: str) -> None:
        for _ in range(5):
            await budget.wait()
            order.append(name)

    await asyncio.gather(*(answer(name) for name in "abcd"))
    assert ["".join(sorted(order[at : at + 4])) for at in range(0, 20, 4)] == ["abcd"] * 5


@pytest.mark.parametrize("asking", [1, 3])
async def test_who_goes_away_holds_nobody_up(asking: int) -> None:
    budget = EditBudget(2)
    await seconds_for(budget, 2)
    waiting = [asyncio.create_task(budget.wait()) for _ in range(asking)]
    last = asyncio.create_task(budget.wait())
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert all(task.cancelled() for task in waiting)
    async with asyncio.timeout(5):
        await last


async def test_who_goes_away_takes_nothing_along() -> None:
    budget = EditBudget(2)
    await seconds_for(budget, 3)
    for _ in range(20):
        task = asyncio.create_task(budget.wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert await seconds_for(budget, 1) < 1.2


async def test_a_homeserver_that_has_enough_is_given_less() -> None:
    budget = await used_up()
    budget.refused()
    assert await seconds_for(budget, 20) == pytest.approx(20 * 2 / RATE, abs=0.25)
    budget.refused()
    assert await seconds_for(budget, 10) == pytest.approx(10 * 4 / RATE, abs=0.25)


async def test_a_homeserver_that_takes_them_is_given_more_again() -> None:
    budget = await used_up()
    for _ in range(3):
        budget.refused()
    for _ in range(40):
        budget.taken()
    await budget.wait()
    assert await seconds_for(budget, 20) == pytest.approx(20 / RATE, abs=0.2)


async def test_it_never_gets_slower_than_that() -> None:
    """Refused for hours, the next edit is not hours away."""
    budget = await used_up(1000)
    for _ in range(1000):
        budget.refused()
    assert await seconds_for(budget, 10) < 1


async def test_a_refusal_ends_what_was_saved() -> None:
    budget = EditBudget(20)
    budget.refused()
    assert await seconds_for(budget, 5) >= 4 * 2 / 20
