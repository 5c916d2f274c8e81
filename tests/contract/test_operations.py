"""Operations on a real PostgreSQL: requested once, resumed from their position, ended with a reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.queue.operations import Operations
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverUnavailable, RateLimited, StoreError
from agent_bridge.core.operations import Operation, OperationState, Progress
from agent_bridge.i18n.catalogue import Text
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.prune import prune
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> OperationStore:
    return OperationStore(database)


@dataclass
class Counting:
    """Work of three steps, each of which may fail first."""

    failures: list[Exception] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    #: The operations of the steps.
    operations: list[int] = field(default_factory=list)
    reports: list[tuple[str, int, str | None]] = field(default_factory=list)

    async def run(self, operation: Operation) -> AsyncGenerator[Progress, None]:
        for step in range((operation.cursor or 0) + 1, 4):
            if self.failures:
                raise self.failures.pop(0)
            self.steps.append(step)
            self.operations.append(operation.id)
            yield Progress(step, 3, step, ({"step": step},))

    async def report(self, operation: Operation) -> None:
        self.reports.append((str(operation.state), operation.done, operation.error))


def running(store: OperationStore, work: Counting, retry: float = 0.001, **options: float) -> Operations:
    """Return operations of two kinds, whose steps *work* does."""
    kinds = ("count", "other")
    runners, reports = dict.fromkeys(kinds, work.run), dict.fromkeys(kinds, work.report)
    return Operations(store, runners, reports, Signals(), retry=Backoff(first=retry, cap=retry), **options)


async def run_to_end(operations: Operations, store: OperationStore, operation: int) -> Operation:
    """Run operations until *operation* is finished; return it."""

    async def ended() -> Operation | None:
        await operations.run_all()
        read = await found(store, operation)
        return read if read.is_finished else None

    return await eventually(ended, "the operation is finished")


async def found(store: OperationStore, operation: int) -> Operation:
    read = await store.find(operation)
    assert read is not None
    return read


async def test_a_request_counts_once(store: OperationStore) -> None:
    first = await store.request_alone("count", "key", {"a": 1})
    assert await store.request_alone("count", "key", {"a": 2}) == first
    assert (await found(store, first)).params == {"a": 1}
    assert await store.request_alone("count", "other", {}) != first


async def test_an_operation_runs_to_its_end(store: OperationStore) -> None:
    operation, work = await store.request_alone("count", "key", {}), Counting()
    await running(store, work).run_all()
    ended = await found(store, operation)
    assert (ended.state, ended.done, ended.total, ended.cursor, ended.is_finished) == ("done", 3, 3, 3, True)
    assert ended.found == [{"step": 1}, {"step": 2}, {"step": 3}]
    assert work.reports == [("done", 3, None)]
    assert await store.next() is None


async def test_it_goes_on_from_its_position(store: OperationStore) -> None:
    operation = await store.request_alone("count", "key", {})
    await store.progress(await found(store, operation), Progress(2, 3, 2, ("before the kill",)))
    work = Counting([away()])
    assert (await run_to_end(running(store, work), store, operation)).found == ["before the kill", {"step": 3}]
    assert work.steps == [3]


def away() -> HomeserverUnavailable:
    return HomeserverUnavailable(Text("homeserver_away", said="x"))


async def test_another_kind_passes_one_that_fails_and_the_same_kind_waits(store: OperationStore) -> None:
    """Two imports into one room must not overtake each other."""
    kinds = {"failing": "count", "same": "count", "other": "other"}
    failing, same, other = [await store.request_alone(kind, key, {}) for key, kind in kinds.items()]
    operations = running(store, Counting([away()]), retry=3600)
    await operations.run_all()
    states = [(await found(store, each)).state for each in (failing, same, other)]
    assert states == [OperationState.QUEUED, OperationState.QUEUED, OperationState.DONE]


async def test_a_long_one_lets_another_kind_pass_at_each_step(store: OperationStore) -> None:
    kinds = {"long": "count", "same": "count", "other": "other", "another": "other"}
    long, same, other, another = [await store.request_alone(kind, key, {}) for key, kind in kinds.items()]
    work = Counting()
    await running(store, work, slice_seconds=0).run_all()
    # The kinds take turns, and the operations of a kind follow one another.
    assert work.operations == [long, other] * 3 + [same, another] * 3
    assert work.steps == [1, 1, 2, 2, 3, 3] * 2
    assert [state for state, *_ in work.reports] == ["done"] * 4


async def test_a_limited_operation_goes_on_later_and_lets_others_pass(store: OperationStore) -> None:
    limited, other = [await store.request_alone("count", key, {}) for key in ("limited", "other")]
    work = Counting([RateLimited(0.3)])
    operations = running(store, work)
    await operations.run_all()
    states = [(await found(store, each)).state for each in (limited, other)]
    assert states == [OperationState.QUEUED, OperationState.DONE]

    async def is_done() -> bool:
        await operations.run_all()
        return (await found(store, limited)).state is OperationState.DONE

    await eventually(is_done, "the limited operation is done")
    assert work.steps == [1, 2, 3, 1, 2, 3]


async def test_a_leader_that_was_replaced_stores_nothing(store: OperationStore) -> None:
    operation = await store.request_alone("count", "key", {})
    before = await found(store, operation)
    await store.progress(before, Progress(1, 3, 1))
    with pytest.raises(StoreError):
        await store.progress(before, Progress(1, 3, 1, ("twice",)))
    await store.finish(operation)
    with pytest.raises(StoreError):
        await store.progress(await found(store, operation), Progress(2, 3, 2))


async def test_an_operation_without_progress_fails_with_its_reason(store: OperationStore) -> None:
    operation = await store.request_alone("count", "key", {})
    work = Counting([away() for _ in range(20)])
    ended = await run_to_end(running(store, work), store, operation)
    assert (ended.state, ended.error) == (OperationState.FAILED, "the homeserver cannot be reached: x")
    assert work.reports == [("failed", 0, ended.error)]
    # The next one is not affected.
    following = await store.request_alone("count", "next", {})
    await running(store, work).run_all()
    assert (await found(store, following)).state is OperationState.DONE


async def test_an_unknown_kind_ends(store: OperationStore) -> None:
    operation = await store.request_alone("later", "key", {})
    await running(store, Counting()).run_all()
    assert (await found(store, operation)).error == "unknown kind: later"


async def test_others_wait_for_the_end(store: OperationStore) -> None:
    operation, seen = await store.request_alone("count", "key", {}), []
    work = running(store, Counting())
    waiting = asyncio.create_task(work.wait(operation, lambda each: seen.append(each.done)))
    await work.run_all()
    assert (await asyncio.wait_for(waiting, 10)).done == 3
    with pytest.raises(StoreError):
        await work.wait(operation + 1, lambda _: None)


async def test_old_operations_are_deleted(database: Database, store: OperationStore) -> None:
    ended, kept = [await store.request_alone("count", key, {}) for key in ("ended", "open")]
    await store.finish(ended)
    await database.execute("UPDATE operation SET finished_at = finished_at - interval '8 days'")
    await prune(database, turns_days=7, transcript_days=7)
    assert await store.find(ended) is None
    assert await store.find(kept) is not None
