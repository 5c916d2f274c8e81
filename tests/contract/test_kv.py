"""Single values, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import StoreError
from agent_bridge.store.kv import Facts

if TYPE_CHECKING:
    from agent_bridge.store.database import Database


@pytest.fixture
def facts(database: Database) -> Facts:
    return Facts(database)


@pytest.mark.parametrize("value", ["!space:hs", 1, 1.5, True, None, [], ["@a:hs"], {"a": {"b": [None]}}, "🐈"])
async def test_a_fact_comes_back_as_it_was(facts: Facts, value: Any) -> None:
    assert await facts.get("key") is None
    await facts.set("key", "another")
    await facts.set("key", value)
    assert await facts.get("key") == value
    assert await facts.get("other") is None


async def test_some_are_those_that_there_are(facts: Facts) -> None:
    await facts.set("a", [1])
    await facts.set("none", None)
    await facts.set("other", 2)
    assert await facts.some("a", "none", "missing", "a") == {"a": [1], "none": None}
    assert await facts.some() == {}


async def test_whoever_counts_gets_a_number_of_their_own(facts: Facts) -> None:
    numbers = await asyncio.gather(*(facts.count_up("looks") for _ in range(50)), facts.count_up("other"))
    assert sorted(numbers[:-1]) == list(range(1, 51))
    assert numbers[-1] == 1
    assert await facts.get("looks") == 50
    await facts.set("looks", 7)
    assert await facts.count_up("looks") == 8


async def test_what_is_no_number_is_not_counted(facts: Facts) -> None:
    await facts.set("looks", "many")
    with pytest.raises(StoreError):
        await facts.count_up("looks")
    assert await facts.get("looks") == "many"
