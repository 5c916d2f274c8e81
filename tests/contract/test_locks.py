"""Locks that die with whoever holds them, and facts, on a real PostgreSQL."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from agent_bridge.core.errors import StoreError
from agent_bridge.store.facts import Facts
from agent_bridge.store.locks import LANE, Locks
from conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.database import Database


@pytest.fixture
async def locks(store_url: str) -> AsyncIterator[Locks]:
    async with Locks(store_url) as locks:
        yield locks


@pytest.fixture
async def others(store_url: str) -> AsyncIterator[Locks]:
    """The locks of another process."""
    async with Locks(store_url) as locks:
        yield locks


async def is_free(locks: Locks, key: int, kind: int = LANE) -> bool:
    async with locks.hold(kind, key) as held:
        return held


async def lose_connections(uri: str) -> None:
    """End every other connection to the database, as a restart of PostgreSQL does."""
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_what_one_holds_no_other_holds(locks: Locks, others: Locks) -> None:
    async with locks.hold(LANE, 1) as held:
        assert held
        assert not await is_free(others, 1)
    assert await is_free(others, 1)


async def test_a_lock_is_not_taken_twice_by_its_own_holder(locks: Locks, others: Locks) -> None:
    async with locks.hold(LANE, 1):
        assert not await is_free(locks, 1)
        assert not await is_free(others, 1)
    assert await is_free(others, 1)
    assert await is_free(locks, 1)


async def test_locks_of_other_keys_and_kinds_are_others(locks: Locks, others: Locks) -> None:
    async with locks.hold(LANE, 1):
        assert await is_free(others, 2)
        assert await is_free(others, 1, kind=LANE + 1)
        assert await is_free(locks, 2)


async def test_a_lock_is_freed_when_the_block_fails(locks: Locks, others: Locks) -> None:
    with pytest.raises(LookupError):
        async with locks.hold(LANE, 1):
            raise LookupError
    assert await is_free(others, 1)


async def test_many_are_held_at_once(locks: Locks, others: Locks) -> None:
    async with AsyncExitStack() as stack:
        held = [await stack.enter_async_context(locks.hold(LANE, key)) for key in range(1, 60)]
        assert all(held)
        assert not await is_free(others, 59)
    assert await is_free(others, 59)


async def test_keys_beyond_32_bits_are_folded(locks: Locks, others: Locks) -> None:
    async with locks.hold(LANE, 2**31 + 5) as held:
        assert held
        assert not await is_free(others, 5)


async def test_locks_die_with_their_holder(locks: Locks, store_url: str) -> None:
    async with Locks(store_url) as dying, AsyncExitStack() as stack:
        assert await stack.enter_async_context(dying.hold(LANE, 1))
        await lose_connections(store_url)

        async def freed() -> bool:
            return await is_free(locks, 1)

        await eventually(freed, "the lock is free")
        with pytest.raises(StoreError, match="the database failed"):
            await stack.aclose()


async def test_a_lost_connection_is_made_anew(locks: Locks, store_url: str) -> None:
    assert await is_free(locks, 1)
    await lose_connections(store_url)
    with pytest.raises(StoreError, match="the database failed"):
        await is_free(locks, 1)
    assert await is_free(locks, 1)


async def test_what_is_still_worked_on_is_not_given_away_after_a_lost_connection(locks: Locks, store_url: str) -> None:
    """PostgreSQL has forgotten the lock; its holder has not."""
    async with locks.hold(LANE, 1):
        await lose_connections(store_url)
        with pytest.raises(StoreError, match="the database failed"):
            await is_free(locks, 2)
        assert await is_free(locks, 2)
        assert not await is_free(locks, 1)
    assert await is_free(locks, 1)


async def test_a_database_that_is_away_is_an_error_in_words() -> None:
    async with Locks("postgresql://127.0.0.1:9/nowhere") as locks:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"the database failed: .*[Cc]onnection"):
                await is_free(locks, 1)


@pytest.mark.parametrize("value", ["!space:hs", 1, 1.5, True, None, [], ["@a:hs"], {"a": {"b": [None]}}, "🐈"])
async def test_a_fact_comes_back_as_it_was(database: Database, value: Any) -> None:
    facts = Facts(database)
    assert await facts.get("key") is None
    await facts.set("key", "another")
    await facts.set("key", value)
    assert await facts.get("key") == value
    assert await facts.get("other") is None
