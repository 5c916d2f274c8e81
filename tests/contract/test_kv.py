"""Single values, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database


@pytest.fixture
def kv(database: Database) -> KeyValues:
    return KeyValues(database)


@pytest.mark.parametrize("value", ["!space:hs", 1, 1.5, True, None, [], ["@a:hs"], {"a": {"b": [None]}}, "🐈"])
async def test_a_fact_comes_back_as_it_was(kv: KeyValues, value: Any) -> None:
    assert await kv.get("key") is None
    await kv.set("key", "another")
    await kv.set("key", value)
    assert await kv.get("key") == value
    assert await kv.get("other") is None


async def test_some_are_those_that_there_are(kv: KeyValues) -> None:
    await kv.set("a", [1])
    await kv.set("none", None)
    await kv.set("other", 2)
    assert await kv.some("a", "none", "missing", "a") == {"a": [1], "none": None}
    assert await kv.some() == {}


async def test_concurrent_counters_get_different_numbers(kv: KeyValues) -> None:
    numbers = await asyncio.gather(
        *(kv.count_up("looks", topic=Topic.SYNCS) for _ in range(50)), kv.count_up("other", topic=Topic.SYNCS)
    )
    assert sorted(numbers[:-1]) == list(range(1, 51))
    assert numbers[-1] == 1
    assert await kv.get("looks") == 50
    await kv.set("looks", 7)
    assert await kv.count_up("looks", topic=Topic.SYNCS) == 8


async def test_numbers_by_name_count_apart(kv: KeyValues) -> None:
    counted = [kv.count_up_of(KeyValues.LOOKS_OF, "one", topic=Topic.SYNCS) for _ in range(20)]
    numbers = await asyncio.gather(*counted, kv.count_up_of(KeyValues.LOOKS_OF, "two", topic=Topic.SYNCS))
    assert sorted(numbers[:-1]) == list(range(1, 21))
    assert numbers[-1] == 1
    assert await kv.get(KeyValues.LOOKS_OF) == {"one": 20, "two": 1}
    garbage: object
    for garbage in ([], {"one": "many"}):
        await kv.set(KeyValues.LOOKS_OF, garbage)
        assert await kv.count_up_of(KeyValues.LOOKS_OF, "one", topic=Topic.SYNCS) == 1
        assert await kv.get(KeyValues.LOOKS_OF) == {"one": 1}


async def test_a_value_that_is_no_number_counts_as_none(kv: KeyValues) -> None:
    await kv.set(KeyValues.LOOKS, "many")
    assert await kv.get(KeyValues.LOOKS) is None
    assert await kv.count_up(KeyValues.LOOKS, topic=Topic.SYNCS) == 1
    assert await kv.get(KeyValues.LOOKS) == 1


@pytest.mark.parametrize(
    ("key", "garbage"),
    [
        (KeyValues.SPACE, 7),
        (KeyValues.SPACE_INVITED, ["@bob:x", {}]),
        (KeyValues.SPACE_NAMES, {"name": []}),
        (KeyValues.SPACE_ROLES, {"room": "!a:x", "applied": "1"}),
        (KeyValues.UPSTREAMS, [1]),
        (KeyValues.DONE, {"requested": "1"}),
        (KeyValues.SWITCHES, []),
    ],
)
async def test_a_value_of_the_wrong_type_counts_as_none(kv: KeyValues, key: str, garbage: object) -> None:
    await kv.set(key, garbage)
    assert await kv.get(key) is None
