"""The session on a real PostgreSQL: it delivers signals, and notices and replaces a lost connection."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from agent_bridge.core.errors import LockLost, StoreError
from agent_bridge.store.postgres.locks import LANE, PROCESS, Locks
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals, Topic
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOWHERE = "postgresql://127.0.0.1:9/nowhere"


@asynccontextmanager
async def listening(uri: str, *topics: Topic) -> AsyncIterator[tuple[Session, asyncio.Event]]:
    """Give a connected session, and the event of the subscription to *topics*."""
    signals = Signals()
    async with Session(uri, signals) as session:
        with signals.subscription(*topics) as news:
            await session.execute("SELECT 1")
            news.clear()
            yield session, news


async def tell(uri: str, channel: str, payload: str) -> None:
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as other:
        await other.execute("SELECT pg_notify(%s, %s)", (channel, payload))


async def heard(news: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await news.wait()
    news.clear()


async def backend(session: Session) -> int:
    """Return the process of PostgreSQL that serves *session*."""
    row = await session.execute("SELECT pg_backend_pid()")
    assert row is not None
    return int(row[0])


async def terminate(uri: str, pid: int) -> None:
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
        await admin.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


async def test_a_signal_ends_a_wait(database_url: str) -> None:
    async with listening(database_url, Topic.STOPS, Topic.LANES) as (_, news):
        for payload in ("stops", "lanes"):
            await tell(database_url, "agent_bridge", payload)
            await heard(news)


async def test_a_signal_of_another_topic_is_not_delivered(database_url: str) -> None:
    async with listening(database_url, Topic.STOPS) as (_, news):
        for payload in ("lanes", "of a newer program", ""):
            await tell(database_url, "agent_bridge", payload)
        await tell(database_url, "another_channel", "stops")
        await tell(database_url, "agent_bridge", "stops")
        await heard(news)
        assert not news.is_set()


async def test_the_queue_has_a_channel_of_its_own(database_url: str) -> None:
    async with listening(database_url, Topic.JOBS) as (_, news):
        await tell(database_url, "procrastinate_queue_v1#lanes", '{"type": "job_inserted", "job_id": 1}')
        await heard(news)


async def test_signals_that_come_while_statements_run_are_delivered(database_url: str) -> None:
    async with listening(database_url, Topic.STOPS) as (session, news):
        running = True

        async def ask() -> None:
            while running:
                await session.execute("SELECT 1")

        asking = asyncio.create_task(ask())
        for _ in range(50):
            await tell(database_url, "agent_bridge", "stops")
            await heard(news)
        running = False
        await asking


async def test_a_signal_of_ones_own_transaction_is_heard(database_url: str) -> None:
    async with listening(database_url, Topic.STOPS) as (session, news):
        await session.execute("SELECT pg_notify('agent_bridge', 'stops')::text")
        await heard(news)


async def test_a_lost_connection_is_replaced_and_every_subscriber_looks(database_url: str) -> None:
    """The session needs no statement and no heartbeat for that."""
    signals = Signals()
    async with Session(database_url, signals, heartbeat=3600) as session:
        with signals.subscription(Topic.WAITING) as news:
            before = await backend(session)
            news.clear()
            await terminate(database_url, before)
            await heard(news)
            assert await backend(session) != before
            await tell(database_url, "agent_bridge", "waiting")
            await heard(news)


async def test_whoever_asks_as_the_connection_is_lost_learns_of_it(database_url: str) -> None:
    async with listening(database_url) as (session, _):
        pid = await backend(session)
        asking = asyncio.create_task(session.execute("SELECT pg_sleep(60)::text"))

        async def asked() -> bool:
            async with await psycopg.AsyncConnection.connect(database_url) as admin:
                query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
                return await (await admin.execute(query, (pid,))).fetchone() is not None

        await eventually(asked, "the statement runs")
        await terminate(database_url, pid)
        with pytest.raises(StoreError, match="the database failed"):
            await asking
        assert await session.execute("SELECT 1") == (1,)


async def test_a_server_that_falls_silent_counts_as_lost(database_url: str) -> None:
    async with Session(database_url, Signals(), heartbeat=0.2, patience=0.5) as session, Locks(session) as locks:
        pid = await backend(session)

        async def hold() -> None:
            async with locks.hold(LANE, 1) as held:
                assert held
                os.kill(pid, signal.SIGSTOP)
                await asyncio.Event().wait()

        try:
            with pytest.raises(LockLost):
                # psycopg waits for a silent server to cancel a statement for longer than that.
                async with asyncio.timeout(4):
                    await hold()
        finally:
            os.kill(pid, signal.SIGCONT)

        async def answers() -> bool:
            with suppress(StoreError):
                return await session.execute("SELECT 1") == (1,)
            return False

        await eventually(answers, "there is another connection")


async def test_a_database_that_comes_late_is_found(database_url: str) -> None:
    signals = Signals()
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE late LOGIN CONNECTION LIMIT 0")
        try:
            late = make_conninfo(database_url, user="late")
            with signals.subscription(Topic.LANES) as news:
                async with Session(late, signals) as session:
                    with pytest.raises(StoreError, match="too many connections"):
                        await session.execute("SELECT 1")
                    assert not news.is_set()
                    admin.execute("ALTER ROLE late CONNECTION LIMIT -1")
                    await heard(news)
                    assert await session.execute("SELECT 1") == (1,)
        finally:
            admin.execute("DROP ROLE late")


async def test_without_a_database_it_can_be_left(database_url: str) -> None:  # noqa: ARG001  # warns of no leak
    async with Session(NOWHERE, Signals()) as session:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"the database failed: .*[Cc]onnection"):
                await session.execute("SELECT 1")


async def test_only_the_one_process_is_alone(database_url: str) -> None:
    async with Session(database_url, Signals()) as one, Locks(one) as locks:
        async with locks.hold(PROCESS, 0) as alone:
            assert alone
        async with Session(database_url, Signals()) as other:
            await other.execute("SELECT 1")
            async with locks.hold(PROCESS, 0) as alone:
                assert not alone

        async def is_alone() -> bool:
            async with locks.hold(PROCESS, 0) as alone:
                return alone

        await eventually(is_alone, "the other process has gone")


async def test_a_subscription_ends_with_its_block() -> None:
    signals = Signals()
    with signals.subscription(Topic.STOPS) as first, signals.subscription(Topic.STOPS, Topic.LANES) as second:
        signals.send(Topic.LANES)
        assert (first.is_set(), second.is_set()) == (False, True)
        signals.send_all()
        assert first.is_set()
    first.clear()
    signals.send(Topic.STOPS)
    signals.send_all()
    assert not first.is_set()
