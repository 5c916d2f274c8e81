"""Operations on a real PostgreSQL: requested once, resumed from their position, ended with a reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.queue.operations import Operations
from agent_bridge.bridge.queue.tracked_work import TrackedWork
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverUnavailable, RateLimited, StoreError
from agent_bridge.core.operations import PROVISION, Operation, OperationState, Pause, Progress
from agent_bridge.i18n.catalogue import Text
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.prune import prune
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from agent_bridge.i18n.catalogue import Texts


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
    #: Reports of results that fail first.
    unshown: int = 0

    async def run(self, operation: Operation) -> AsyncGenerator[Progress, None]:
        for step in range((operation.cursor or 0) + 1, 4):
            if self.failures:
                raise self.failures.pop(0)
            self.steps.append(step)
            self.operations.append(operation.id)
            yield Progress(step, 3, step, ({"step": step},))

    async def report(self, operation: Operation) -> None:
        if operation.is_finished and self.unshown:
            self.unshown -= 1
            raise away()
        self.reports.append((str(operation.state), operation.done, operation.error))


def running(
    store: OperationStore, work: Counting, retry: float = 0.001, texts: Texts = ENGLISH, **options: float
) -> Operations:
    """Return operations of two kinds, whose steps *work* does."""
    kinds = ("count", "other")
    runners, reports = dict.fromkeys(kinds, work.run), dict.fromkeys(kinds, work.report)
    return Operations(store, runners, reports, Signals(), texts, retry=Backoff(first=retry, cap=retry), **options)


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


@pytest.mark.parametrize(
    ("texts", "cause"),
    [(ENGLISH, "the homeserver cannot be reached: x"), (RUSSIAN, "домашний сервер недоступен: x")],
    ids=["english", "russian"],
)
async def test_an_operation_without_progress_fails_with_its_reason(
    store: OperationStore, texts: Texts, cause: str
) -> None:
    operation = await store.request_alone("count", "key", {})
    work = Counting([away() for _ in range(20)])
    ended = await run_to_end(running(store, work, texts=texts), store, operation)
    assert (ended.state, ended.error) == (OperationState.FAILED, cause)
    assert work.reports == [("failed", 0, ended.error)]
    # The next one is not affected.
    following = await store.request_alone("count", "next", {})
    await running(store, work).run_all()
    assert (await found(store, following)).state is OperationState.DONE


async def test_a_result_that_cannot_be_shown_yet_is_no_failure(
    store: OperationStore, capsys: pytest.CaptureFixture[str]
) -> None:
    operation = await store.request_alone("count", "key", {})
    work = Counting(unshown=21)
    ended = await run_to_end(running(store, work), store, operation)
    assert (ended.state, work.steps, work.reports) == (OperationState.DONE, [1, 2, 3], [("done", 3, None)])
    assert "failed" not in capsys.readouterr().out
    # Meanwhile other kinds go on, also after steps that failed.
    hopeless, other = await store.request_alone("count", "next", {}), await store.request_alone("other", "other", {})
    work = Counting([away()], unshown=1)
    for _ in range(19):
        await store.failed(hopeless)
    await running(store, work, retry=3600).run_all()
    assert [(await found(store, each)).is_finished for each in (hopeless, other)] == [False, True]


async def test_limits_make_no_reports(store: OperationStore) -> None:
    operation = await store.request_alone("count", "key", {})
    work = Counting([RateLimited(0.01) for _ in range(5)])
    await run_to_end(running(store, work), store, operation)
    assert work.reports == [("done", 3, None)]
    # A long wait is told at once.
    work.failures.append(RateLimited(60))
    await store.request_alone("count", "next", {})
    await running(store, work).run_all()
    assert work.reports[1:] == [("queued", 0, None)]


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


async def test_one_that_awaits_other_work_lets_the_same_kind_pass(store: OperationStore) -> None:
    waiting, other = [await store.request_alone("count", key, {}) for key in ("waiting", "other")]
    ready = False

    async def run(operation: Operation) -> AsyncGenerator[Progress | Pause, None]:
        if operation.id == waiting and not ready:
            yield Pause(0.05)
        else:
            yield Progress(1, 1, 1, note="subject")

    work = Counting()
    operations = Operations(store, {"count": run}, {"count": work.report}, Signals(), ENGLISH)
    await operations.run_all()
    states = [(await found(store, each)).state for each in (waiting, other)]
    assert states == [OperationState.QUEUED, OperationState.DONE]
    ready = True
    assert (await run_to_end(operations, store, waiting)).note == "subject"


async def test_tracked_work_has_an_entry_once_it_is_long(store: OperationStore) -> None:
    now = 0.0
    work = TrackedWork(store, PROVISION, least=3, clock=lambda: now)

    async def entries() -> list[tuple[str, int, int | None]]:
        return [(str(each.state), each.done, each.total) for each in await store.entries()]

    await work.left(5)
    await work.left(0)
    assert await entries() == []
    await work.left(2)
    now = 4.0
    await work.left(2)
    assert await entries() == []
    # More comes.
    await work.left(6)
    assert await entries() == [("running", 0, 6)]
    # At most one change a second.
    await work.left(4)
    assert await entries() == [("running", 0, 6)]
    now = 5.5
    await work.left(3)
    assert await entries() == [("running", 3, 6)]
    assert await store.next() is None
    await work.left(0)
    assert await entries() == [("done", 6, 6)]
    await work.left(0)
    assert await entries() == [("done", 6, 6)]


async def test_pieces_that_failed_are_not_done(store: OperationStore) -> None:
    now = 0.0
    work = TrackedWork(store, PROVISION, clock=lambda: now)
    await work.left(4)
    now = 4.0
    await work.left(2, failed=1, error="one is missing")
    assert [(each.done, each.total) for each in await store.entries()] == [(1, 4)]
    # One of them succeeds in the end.
    await work.left(1, failed=1, error="one is missing")
    await work.left(0, failed=1, error="one is missing")
    (ended,) = await store.entries()
    assert (ended.state, ended.done, ended.total, ended.error) == (OperationState.FAILED, 3, 4, "one is missing")


async def test_the_end_of_tracked_work_does_not_overtake_its_last_change(
    store: OperationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, track = 0.0, store.track

    async def slowly(*values: Any) -> None:
        await asyncio.sleep(0.05)
        await track(*values)

    work = TrackedWork(store, PROVISION, clock=lambda: now)
    await work.left(5)
    now = 4.0
    await work.left(5)
    monkeypatch.setattr(store, "track", slowly)
    now = 6.0
    await asyncio.gather(work.left(1), work.left(0))
    assert [(each.state, each.done) for each in await store.entries()] == [(OperationState.DONE, 5)]


@pytest.mark.parametrize("left", [0, 4])
async def test_the_next_leader_goes_on_with_tracked_work_or_ends_it(store: OperationStore, left: int) -> None:
    await store.track(PROVISION, 6, 10)
    work = TrackedWork(store, PROVISION)
    await work.left(left)
    (found,) = await store.entries()
    assert (found.state, found.done, found.total) == (("running", 6, 10) if left else ("done", 10, 10))
    await work.left(0, error="two agents are missing")
    (found,) = await store.entries()
    assert found.state == ("failed" if left else "done")
    assert found.finished_at is not None


async def test_two_leaders_have_one_entry(store: OperationStore) -> None:
    await store.track(PROVISION, 6, 10)
    await store.track(PROVISION, 7, 10, "Ada")
    assert [(each.done, each.note) for each in await store.running()] == [(7, "Ada")]
    await store.end_unknown([PROVISION])
    assert len(await store.running()) == 1
    await store.end_unknown(["later"])
    assert await store.running() == []
