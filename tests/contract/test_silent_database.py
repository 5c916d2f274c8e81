"""A database whose connections fall silent: they stay open, and nothing arrives. No statement waits for them long."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from agent_bridge.core.errors import LockLost, StoreError
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.locks import LANE, Locks
from agent_bridge.store.postgres.migrate import _LOCK, Limits, check, migrate
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from support.conditions import eventually
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

#: Seconds that the session, in these tests, waits for an answer; and seconds that anything may take after that.
PATIENCE, SOON = 2.0, 12.0


@pytest.fixture
async def line(store_url: str) -> AsyncIterator[Line]:
    where = conninfo_to_dict(store_url)
    host, port = where["host"], int(where.get("port") or 5432)
    async with Line(f"{host}/.s.PGSQL.{port}" if str(host).startswith("/") else port) as line:
        yield line


@pytest.mark.parametrize("use", [check, migrate])
def test_a_server_that_accepts_a_connection_and_says_nothing(use: Callable[[str], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"postgresql://me@127.0.0.1:{server.getsockname()[1]}/x?connect_timeout=2"
        with pytest.raises(StoreError, match=r"^the database \(database\.url\) cannot be reached: .*timeout"):
            use(uri)


@pytest.mark.parametrize(
    ("use", "last", "seconds"),
    [
        (check, b"FROM alembic_version", "0.4"),
        (migrate, b"FROM alembic_version", "0.4"),
        (migrate, b"pg_try_advisory_lock", "0.4"),
        (migrate, b"CREATE TABLE", "1"),
    ],
)
async def test_a_start_with_a_database_that_falls_silent_fails(
    empty_database_url: str,
    line: Line,
    use: Callable[[str, Limits], None],
    last: bytes,
    seconds: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The statement with the words *last* arrives, and its result does not."""
    line.spoils = lambda piece: line.silence() if last in piece.data else None
    uri = make_conninfo(empty_database_url, host="127.0.0.1", port=line.port)
    caplog.set_level("INFO")
    async with asyncio.timeout(SOON):
        with pytest.raises(StoreError, match=rf"cannot be reached: no answer within {seconds} s$"):
            await asyncio.to_thread(use, uri, Limits(check=0.4, migration=1, line=0.3))
    assert ("the database is being migrated" in caplog.text) is (last == b"CREATE TABLE")


async def test_the_end_of_another_migration_is_not_awaited_for_ever(
    empty_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as other:
        await other.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        with pytest.raises(StoreError, match=r"^another process has migrated the database for more than 1 s$"):
            await asyncio.to_thread(migrate, empty_database_url, Limits(migration=1, line=0.3))
    assert "another process migrates the database: waiting" in caplog.text


@asynccontextmanager
async def process(store_url: str, line: Line) -> AsyncIterator[tuple[Database, Locks]]:
    """Give the database and the locks of a process that is connected through *line*."""
    uri = make_conninfo(store_url, host="127.0.0.1", port=line.port)
    session = Session(uri, Signals(), heartbeat=0.1, patience=PATIENCE)
    async with session, Database(uri) as database, Locks(session) as locks:
        session.on_lost.append(database.distrust)
        yield database, locks


async def open_connections(database: Database, count: int) -> None:
    """Use *count* connections of the pool at the same time, so that so many are open."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(database.pool.connection())


async def test_a_statement_on_a_silent_connection_fails_soon_and_the_next_one_succeeds(
    store_url: str, line: Line
) -> None:
    async with process(store_url, line) as (database, _):
        # Connections of the pool, all of which fall silent.
        await open_connections(database, 6)
        line.silence()
        asked = [asyncio.create_task(database.ping()) for _ in range(6)]
        async with asyncio.timeout(SOON):
            ends = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(end) for end in ends} == {StoreError}
            await asyncio.gather(*(database.ping() for _ in range(6)))


@pytest.mark.long
async def test_a_task_that_is_cancelled_in_a_statement_ends_soon(store_url: str, line: Line) -> None:
    async with process(store_url, line) as (database, _):
        await database.ping()
        line.silence()
        asking = asyncio.create_task(database.ping())
        await asyncio.sleep(0.05)
        asking.cancel()
        async with asyncio.timeout(SOON):
            await asyncio.wait({asking})


async def test_a_lock_is_lost_with_a_silent_connection(store_url: str, line: Line) -> None:
    async def work(locks: Locks) -> None:
        async with locks.hold(LANE, 1):
            line.silence()
            await asyncio.Event().wait()

    async with process(store_url, line) as (_, locks), asyncio.timeout(SOON):
        with pytest.raises(LockLost):
            await work(locks)


async def test_a_process_takes_its_locks_again_that_a_silent_connection_holds(store_url: str, line: Line) -> None:
    """The server does not notice the silence: it ends the old session only on request."""

    async def work(locks: Locks) -> None:
        async with locks.hold(LANE, 1):
            line.silence()
            await asyncio.Event().wait()

    async with process(store_url, line) as (_, locks):
        for _ in range(2):
            with pytest.raises(LockLost):
                await work(locks)

            async def taken() -> bool:
                try:
                    async with locks.hold(LANE, 1) as held:
                        return held
                except StoreError:
                    return False

            await eventually(taken, "the lock is free", SOON)


async def test_a_statement_has_a_limit_of_its_own(store_url: str, line: Line) -> None:
    """Also if no session notices the silence; the idle connections are replaced too."""

    async def ask(database: Database) -> None:
        async with database.pool.connection(limit=0.5) as connection:
            line.silence()
            await connection.execute("SELECT 1")

    async with Database(make_conninfo(store_url, host="127.0.0.1", port=line.port), pool_size=4) as database:
        await open_connections(database, 4)
        async with asyncio.timeout(SOON):
            with pytest.raises(psycopg.OperationalError):
                await ask(database)
            await asyncio.gather(*(database.ping() for _ in range(4)))
