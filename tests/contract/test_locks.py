"""Locks that end with their connection, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from agent_bridge.core.errors import LockLost, StoreError
from agent_bridge.store.postgres.locks import LANE, Locks
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from support.conditions import eventually
from support.sessions import open_locks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.postgres import Cluster


@pytest.fixture
async def locks(store_url: str) -> AsyncIterator[Locks]:
    async with open_locks(store_url) as locks:
        yield locks


@pytest.fixture
async def others(store_url: str) -> AsyncIterator[Locks]:
    """The locks of another process."""
    async with open_locks(store_url) as locks:
        yield locks


async def all_of(entered: set[int], number: int) -> bool:
    return len(entered) == number


async def fill(locks: Locks, stack: AsyncExitStack) -> None:
    """Hold locks until the server refuses one."""
    for key in itertools.count():
        await stack.enter_async_context(locks.hold(LANE, key))


def nothing_is_left_of_a_cancellation() -> None:
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def holder(uri: str, kind: int, key: int) -> int:
    """Return the process of PostgreSQL that holds a lock."""
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
        cursor = await admin.execute(
            "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database()"
            " AND locktype = 'advisory' AND granted AND classid = %s::bigint AND objid = %s::bigint",
            (kind, key),
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


async def terminate(uri: str, pid: int) -> None:
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
        await admin.execute("SELECT pg_terminate_backend(%s)", (pid,))


async def cut(uri: str, kind: int, key: int) -> None:
    """End the connection that holds a lock."""
    # The caller may be cancelled for the loss. A statement that is cancelled at its very end can swallow that.
    terminating = asyncio.create_task(terminate(uri, await holder(uri, kind, key)))
    await asyncio.shield(terminating)


async def is_free(locks: Locks, key: int, kind: int = LANE) -> bool:
    async with locks.hold(kind, key) as held:
        return held


async def lose(locks: Locks, uri: str, key: int = 1) -> None:
    """Hold a lock, and work until the loss of the connection cancels the work."""
    async with locks.hold(LANE, key) as held:
        assert held
        await cut(uri, LANE, key)
        await asyncio.Event().wait()


async def lose_connections(uri: str) -> None:
    """End every other connection to the database, as a restart of PostgreSQL does."""
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_a_held_lock_is_not_given_to_another_holder(locks: Locks, others: Locks) -> None:
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


async def test_a_server_without_room_for_another_lock_keeps_those_that_it_gave(cluster: Cluster) -> None:
    with psycopg.connect(cluster.uri, autocommit=True) as admin:
        # The server has room for the product of both, and some more.
        admin.execute("ALTER SYSTEM SET max_connections = 15")
        admin.execute("ALTER SYSTEM SET max_locks_per_transaction = 10")
    cluster.stop()
    cluster.start()
    with cluster.database() as uri:
        async with Session(uri, Signals()) as session, Locks(session) as locks:
            before = await session.execute("SELECT pg_backend_pid()")
            async with AsyncExitStack() as stack:
                with pytest.raises(StoreError, match="max_locks_per_transaction"):
                    await fill(locks, stack)
                assert await session.execute("SELECT pg_backend_pid()") == before
                await locks.verify(LANE, 0)
            nothing_is_left_of_a_cancellation()
            assert await is_free(locks, 0)


async def test_keys_beyond_32_bits_are_folded(locks: Locks, others: Locks) -> None:
    async with locks.hold(LANE, 2**31 + 5) as held:
        assert held
        assert not await is_free(others, 5)


async def test_a_lock_dies_with_the_connection_and_its_holder_is_interrupted_at_once(
    locks: Locks, others: Locks, store_url: str
) -> None:
    async with asyncio.timeout(2):
        with pytest.raises(LockLost, match="the database connection that held the lock was lost"):
            await lose(locks, store_url)
    nothing_is_left_of_a_cancellation()
    assert await is_free(others, 1)
    assert await is_free(locks, 1)


async def test_a_lost_connection_interrupts_every_holder(locks: Locks, others: Locks, store_url: str) -> None:
    entered: set[int] = set()

    async def work(key: int) -> None:
        async with locks.hold(LANE, key):
            entered.add(key)
            await asyncio.Event().wait()

    working = [asyncio.create_task(work(key)) for key in range(1, 9)]
    await eventually(lambda: all_of(entered, 8), "all hold their locks")
    await cut(store_url, LANE, 1)
    ends = await asyncio.wait_for(asyncio.gather(*working, return_exceptions=True), 2)
    assert {type(end) for end in ends} == {LockLost}
    assert all([await is_free(others, key) for key in range(1, 9)])


async def test_a_task_that_held_two_is_interrupted_once(locks: Locks, store_url: str) -> None:
    async def work() -> None:
        async with locks.hold(LANE, 2):
            await lose(locks, store_url)

    with pytest.raises(LockLost):
        await work()
    nothing_is_left_of_a_cancellation()


async def test_a_holder_that_is_slow_to_end_is_interrupted_once(locks: Locks, store_url: str) -> None:
    """The connection is lost a second time while the holder still ends."""
    ending, second_loss = asyncio.Event(), asyncio.Event()

    async def slow_block() -> None:
        async with locks.hold(LANE, 1):
            try:
                await cut(store_url, LANE, 1)
                await asyncio.Event().wait()
            finally:
                ending.set()
                await second_loss.wait()

    task = asyncio.create_task(slow_block())
    await ending.wait()
    with pytest.raises(LockLost):
        await lose(locks, store_url, 2)
    second_loss.set()
    with pytest.raises(LockLost):
        await task


async def test_a_holder_can_verify_its_lock(locks: Locks, others: Locks) -> None:
    with pytest.raises(LockLost):
        await locks.verify(LANE, 1)
    async with others.hold(LANE, 1):
        await others.verify(LANE, 1)
        async with locks.hold(LANE, 1):
            with pytest.raises(LockLost):
                await locks.verify(LANE, 1)
    with pytest.raises(LockLost):
        await others.verify(LANE, 1)


async def test_a_process_that_was_paused_asks_the_database_before_it_trusts_its_locks(store_url: str) -> None:
    """Its session has ended in the meantime, and the event loop has not read that yet."""

    async def work(session: Session, locks: Locks) -> None:
        async with locks.hold(LANE, 1):
            pid = await holder(store_url, LANE, 1)
            # Both happen without the loop, as while the process is stopped.
            with psycopg.connect(store_url, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            session.answered_at -= 60
            await locks.verify(LANE, 1)
            pytest.fail("the lock is lost")

    async with Session(store_url, Signals()) as session, Locks(session) as locks, asyncio.timeout(10):
        with pytest.raises(StoreError):
            await work(session, locks)


async def test_tasks_under_a_lost_lock_end_together(locks: Locks, store_url: str) -> None:
    ended = []

    async def part() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def work() -> None:
        async with locks.hold(LANE, 1), asyncio.TaskGroup() as group:
            group.create_task(part())
            group.create_task(part())
            await cut(store_url, LANE, 1)

    with pytest.raises(LockLost):
        await work()
    assert ended == [True, True]
    nothing_is_left_of_a_cancellation()


async def test_work_that_never_waits_learns_of_the_loss_at_its_end(locks: Locks, store_url: str) -> None:
    async def work() -> None:
        async with locks.hold(LANE, 1):
            pid = await holder(store_url, LANE, 1)
            with psycopg.connect(store_url, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

    with pytest.raises(StoreError, match="the database"):
        await work()
    nothing_is_left_of_a_cancellation()
    assert await is_free(locks, 1)


async def test_a_process_without_the_lock_is_not_interrupted(locks: Locks, others: Locks, store_url: str) -> None:
    async def stand_by(interrupted: asyncio.Event) -> bool:
        async with locks.hold(LANE, 1) as held:
            await interrupted.wait()
            return held

    async def work(interrupted: asyncio.Event) -> None:
        try:
            async with locks.hold(LANE, 2):
                await cut(store_url, LANE, 2)
                await asyncio.Event().wait()
        finally:
            interrupted.set()

    interrupted = asyncio.Event()
    async with others.hold(LANE, 1):
        held, lost = await asyncio.gather(stand_by(interrupted), work(interrupted), return_exceptions=True)
    assert isinstance(lost, LockLost)
    assert held is False


async def test_a_lost_lock_can_be_taken_by_another_process(locks: Locks, others: Locks, store_url: str) -> None:
    for _ in range(3):
        with pytest.raises(LockLost):
            await lose(locks, store_url)
    async with others.hold(LANE, 1) as held:
        assert held
        assert not await is_free(locks, 1)


async def test_a_connection_that_is_lost_while_no_lock_is_held_is_made_again(locks: Locks, store_url: str) -> None:
    assert await is_free(locks, 1)
    for _ in range(3):
        await lose_connections(store_url)
        with suppress(StoreError):
            await is_free(locks, 1)
        nothing_is_left_of_a_cancellation()
        assert await is_free(locks, 1)


async def test_a_holder_that_asks_for_another_lock_itself_finds_the_loss(locks: Locks, store_url: str) -> None:
    async def work() -> None:
        async with locks.hold(LANE, 1):
            await cut(store_url, LANE, 1)
            await is_free(locks, 2)

    await ends_as_lost(work)
    assert await is_free(locks, 1)


async def test_a_block_that_fails_as_it_is_interrupted_leaves_no_cancellation(locks: Locks, store_url: str) -> None:
    async def work() -> None:
        async with locks.hold(LANE, 1):
            try:
                await cut(store_url, LANE, 1)
                await asyncio.Event().wait()
            finally:
                raise StoreError("it cannot be undone")

    await ends_as_lost(work)
    assert await is_free(locks, 1)


async def ends_as_lost(work: Callable[[], Awaitable[None]]) -> None:
    """Assert that *work* fails with an error of the store, and that its task continues."""

    async def go_on() -> int:
        with pytest.raises(StoreError):
            await work()
        await asyncio.sleep(0)
        task = asyncio.current_task()
        return 0 if task is None else task.cancelling()

    (left,) = await asyncio.gather(asyncio.create_task(go_on()), return_exceptions=True)
    assert left == 0, "a cancellation outlives the block that it was for"


async def test_a_time_limit_inside_ends_its_own_block_only(locks: Locks, others: Locks) -> None:
    async with locks.hold(LANE, 1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.Event().wait()
        assert not await is_free(others, 1)
    assert await is_free(others, 1)


async def test_a_time_limit_outside_frees_the_lock(locks: Locks, others: Locks) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), locks.hold(LANE, 1):
            await asyncio.Event().wait()
    nothing_is_left_of_a_cancellation()
    # On a slow machine the limit may end while the lock is acquired; the next heartbeat then releases it.
    await eventually(partial(is_free, others, 1), "the lock is free")


async def hold_for_ever(locks: Locks, entered: asyncio.Event) -> None:
    async with locks.hold(LANE, 1):
        entered.set()
        await asyncio.Event().wait()


async def test_a_holder_that_is_cancelled_is_cancelled_and_frees_the_lock(locks: Locks, others: Locks) -> None:
    entered = asyncio.Event()
    holding = asyncio.create_task(hold_for_ever(locks, entered))
    await entered.wait()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert await is_free(others, 1)


@pytest.mark.parametrize("steps", [0, 1, 3, 6, 9, 12])
async def test_a_cancellation_at_any_moment_leaves_no_lock(locks: Locks, others: Locks, steps: int) -> None:
    """While the task requests, holds or releases the lock."""

    async def work() -> None:
        async with locks.hold(LANE, 1):
            await asyncio.sleep(0)

    # From here on the task runs only the statements of the lock.
    assert await is_free(locks, 1)
    working = asyncio.create_task(work())
    for _ in range(steps):
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait({working})

    async def freed() -> bool:
        return await is_free(others, 1)

    await eventually(freed, "the lock is free")


async def test_a_holder_that_is_cancelled_while_its_lock_is_lost_is_cancelled(locks: Locks, store_url: str) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with locks.hold(LANE, 1):
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                # The task is still cleaning up when its lock is lost.
                await release.wait()

    working = asyncio.create_task(work())
    await entered.wait()
    working.cancel()
    await cut(store_url, LANE, 1)

    async def struck_twice() -> bool:
        return working.done()

    await eventually(struck_twice, "the loss is noticed")
    assert working.cancelled()
    assert await is_free(locks, 1)


async def test_a_database_that_is_away_is_an_error_in_words() -> None:
    async with open_locks("postgresql://127.0.0.1:9/nowhere") as locks:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"the database failed: .*[Cc]onnection"):
                await is_free(locks, 1)
