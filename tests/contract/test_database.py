"""The pool on a real PostgreSQL: transactions, and failures as the bridge's own errors."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.database import Database
from support.conditions import eventually
from support.full_disk import FILL_DISK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOWHERE = "postgresql://127.0.0.1:9/nowhere"


@pytest.fixture
async def table(database_url: str) -> AsyncIterator[Database]:
    """A database with a table of numbers."""
    async with Database(database_url, pool_size=4) as database:
        await database.execute("CREATE TABLE number (value integer PRIMARY KEY)")
        yield database


async def insert(database: Database, value: int, *, fails: Exception) -> None:
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO number VALUES (%s)", (value,))
        raise fails


async def values(database: Database) -> list[int]:
    return [row["value"] for row in await database.rows("SELECT value FROM number ORDER BY value")]


async def test_statements(table: Database) -> None:
    await table.ping()
    await table.execute("INSERT INTO number VALUES (%s)", (1,))
    await table.execute("INSERT INTO number VALUES (%(value)s)", {"value": 2})
    assert await table.rows("SELECT value, -value AS minus FROM number ORDER BY value") == [
        {"value": 1, "minus": -1},
        {"value": 2, "minus": -2},
    ]
    assert await table.row("SELECT value FROM number WHERE value = %s", (2,)) == {"value": 2}
    assert await table.row("SELECT value FROM number WHERE value = %s", (3,)) is None


async def test_a_transaction_is_whole_or_nothing(table: Database) -> None:
    async with table.transaction() as connection:
        await connection.execute("INSERT INTO number VALUES (1)")
        assert await values(table) == []
    assert await values(table) == [1]
    with pytest.raises(LookupError):
        await insert(table, 2, fails=LookupError())
    assert await values(table) == [1]


async def test_a_statement_that_fails_is_an_error_in_words_and_harms_no_other(table: Database) -> None:
    with pytest.raises(StoreError, match='the database failed: relation "unknown" does not exist'):
        await table.execute("TABLE unknown")
    await table.execute("INSERT INTO number VALUES (1)")
    with pytest.raises(StoreError, match="the database failed: duplicate key"):
        await table.execute("INSERT INTO number VALUES (1)")
    await table.ping()


async def test_more_than_the_pool_has_wait_for_each_other(table: Database) -> None:
    await asyncio.gather(*(table.execute("INSERT INTO number VALUES (%s)", (value,)) for value in range(40)))
    assert await values(table) == list(range(40))


async def test_a_transaction_fails_with_its_connection(table: Database, database_url: str) -> None:
    async def interrupted() -> None:
        async with table.transaction() as connection:
            await connection.execute("INSERT INTO number VALUES (1)")
            await end_connections(database_url)
            await connection.execute("INSERT INTO number VALUES (2)")

    with pytest.raises(StoreError, match=r"^the database failed: .*terminat"):
        await interrupted()
    assert await values(table) == []


async def test_connections_that_were_lost_are_not_given_out(table: Database, database_url: str) -> None:
    await asyncio.gather(*(table.ping() for _ in range(8)))
    await end_connections(database_url)
    rows = await asyncio.gather(*(table.row("SELECT 1 AS one") for _ in range(8)))
    assert rows == [{"one": 1}] * 8


async def test_connections_that_were_lost_are_replaced_together(database_url: str) -> None:
    """One by one, with the pool's growing pauses between them, ten of them take longer than a caller waits."""
    async with Database(database_url) as database:
        async with AsyncExitStack() as stack:
            for _ in range(10):
                await stack.enter_async_context(database.transaction())
        await end_connections(database_url)
        async with asyncio.timeout(5):
            for _ in range(10):
                await database.ping()


async def test_a_pool_that_is_used_up_is_an_error_in_words(database_url: str) -> None:
    pool = Database(database_url, pool_size=2, pool_timeout=0.2)
    async with pool as database, database.transaction(), database.transaction():
        with pytest.raises(StoreError, match="no connection in time"):
            await database.ping()


async def test_a_database_that_is_away_is_an_error_in_words() -> None:
    with pytest.raises(StoreError, match=r"^the database gave no connection in time: is PostgreSQL reachable, "):
        async with Database(NOWHERE, pool_timeout=0.5):
            pytest.fail("there is no such database")


async def end_connections(uri: str) -> None:
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_connections_that_may_not_write_are_replaced(table: Database) -> None:
    """Also those that the queue's library takes from the pool itself."""
    async with AsyncExitStack() as stack:
        for _ in range(table.pool.max_size):
            connection = await stack.enter_async_context(table.pool.connection())
            await connection.execute("SET default_transaction_read_only = on")

    async def writes() -> bool:
        try:
            async with table.pool.connection() as connection:
                await connection.execute("INSERT INTO number VALUES (1)")
        except psycopg.errors.ReadOnlySqlTransaction:
            return False
        return True

    assert not await writes()
    await eventually(writes, "a new connection writes")


async def test_a_wait_for_a_connection_can_always_be_cancelled(database_url: str) -> None:
    async with Database(database_url, pool_size=2) as database:
        for moment in range(300):
            tasks = [asyncio.create_task(database.ping()) for _ in range(5)]
            for _ in range(moment % 30):
                await asyncio.sleep(0)
            cancelled = [task for task in tasks if task.cancel()]
            await asyncio.wait(tasks)
            assert all(task.cancelled() for task in cancelled), f"dropped after {moment % 30} rounds of the loop"
        await database.ping()


async def test_a_write_that_finds_the_disk_full_is_known_to_the_health_page(table: Database) -> None:
    await table.ping()
    await table.execute(FILL_DISK)
    with pytest.raises(StoreError, match="No space left"):
        await table.execute("UPDATE turn SET answer = NULL WHERE id = 1")
    # Reads succeed.
    assert await values(table) == []
    with pytest.raises(StoreError, match="the disk of the database is full"):
        await table.ping()
