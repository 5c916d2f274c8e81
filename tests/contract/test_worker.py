"""The worker on a real PostgreSQL: it processes every lane with open turns, also after the death of another worker."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.queue.lanes import Lanes, _Connector
from agent_bridge.bridge.queue.worker import MAX_INTERRUPTIONS, Worker
from agent_bridge.config.conversations import LanesConfig
from agent_bridge.core.errors import HomeserverUnavailable, StoreError
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.i18n.catalogue import Text
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agents import Agents
from agent_bridge.store.history import Histories
from agent_bridge.store.postgres.locks import LANE, Locks
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals, Topic
from agent_bridge.store.queue import Queue
from agent_bridge.store.turns import Turns
from support.conditions import eventually
from support.turn_rows import OTHER, ROOM, accept, add_agent, new, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database


class Recorder:
    """Handles turns, and records their events; the first *failures* wait for the homeserver."""

    def __init__(self, database: Database) -> None:
        self._turns = Turns(database)
        self.failures = self.failures_to_give_up = 0
        self.handled: list[str] = []
        #: Is called for each turn before it is closed.
        self.claimed: Callable[[Turn], Awaitable[None]] | None = None
        #: Is called for each closed turn, before the worker knows that it is closed.
        self.closed: Callable[[Turn], Awaitable[None]] | None = None

    async def handle(self, turn: Turn, /) -> bool:
        self.handled.append(turn.event_id)
        if len(self.handled) <= self.failures:
            raise HomeserverUnavailable(Text("homeserver_nonsense"))
        if self.claimed is not None:
            await self.claimed(turn)
        is_last = await self._turns.finish(turn, TurnState.DONE, {})
        if self.closed is not None:
            await self.closed(turn)
        return bool(is_last)

    async def give_up(self, turn: Turn, _cause: str, /) -> None:
        self.handled.append(f"gave up {turn.event_id}")
        if len(self.handled) <= self.failures_to_give_up:
            raise StoreError("the database failed")
        await self._turns.finish(turn, TurnState.FAILED, {})

    async def has_handled(self, *events: str, in_order: bool = True) -> None:
        async def look() -> bool:
            return (self.handled if in_order else sorted(self.handled)) == list(events)

        await eventually(look, f"{events} are handled")


@asynccontextmanager
async def process(database: Database, recorder: Recorder) -> AsyncIterator[Lanes]:
    """Run a worker as in a separate process, and give its lanes."""
    signals, queue = Signals(), Queue(database)
    config = LanesConfig(drain_timeout=2)
    async with (
        Session(database.uri, signals) as session,
        Locks(session) as locks,
        Lanes(database, queue, signals) as lanes,
    ):
        handlers = {TurnKind.MESSAGE: recorder}
        worker = Worker(lanes, database, Turns(database), locks, queue, signals, handlers, config, ENGLISH)
        task = asyncio.create_task(worker.run())
        try:
            yield lanes
        finally:
            task.cancel()
            await asyncio.wait({task})
    assert task.cancelled()


@pytest.fixture
def recorder(database: Database) -> Recorder:
    return Recorder(database)


async def wake(database: Database, lanes: Lanes, woken: Sequence[int]) -> None:
    async with database.transaction() as connection:
        await lanes.wake(connection, woken)


async def no_jobs(database: Database) -> bool:
    return not await database.rows("SELECT 1 FROM procrastinate_jobs")


async def test_a_lane_that_is_woken_is_processed(database: Database, recorder: Recorder) -> None:
    async with process(database, recorder) as lanes:
        events = []
        # Each as soon as the one before is handled: a worker must not miss a job while it looks for jobs.
        for number in range(30):
            events.append(f"${number}")
            (lane,) = await accept(database, new(events[-1]))
            await wake(database, lanes, [lane])
            await recorder.has_handled(*events)
        await eventually(lambda: no_jobs(database), "every job has ended")


async def test_a_turn_that_is_written_while_the_last_one_is_closed_is_handled(
    database: Database, recorder: Recorder
) -> None:
    """The worker does not look behind the last turn of a lane: the new turn has a job, which starts then."""
    async with process(database, recorder) as lanes:

        async def write_another(turn: Turn) -> None:
            number = int(turn.event_id[1:])
            if number < 20:
                await wake(database, lanes, await accept(database, new(f"${number + 1}")))

        recorder.closed = write_another
        await wake(database, lanes, await accept(database, new("$0")))
        await recorder.has_handled(*(f"${number}" for number in range(21)))
        await eventually(lambda: no_jobs(database), "every job has ended")


async def test_a_lane_that_no_job_is_for_is_found(database: Database, recorder: Recorder) -> None:
    await accept(database, new("$1"), new("$2"))
    async with process(database, recorder) as lanes:
        await recorder.has_handled("$1", "$2")
        (lane,) = await accept(database, new("$3"))
        async with database.transaction() as connection:
            await lanes.wake(connection, [lane])
            await connection.execute("DELETE FROM procrastinate_jobs")
        await recorder.has_handled("$1", "$2", "$3")


async def test_a_turn_that_was_put_back_is_taken_up_when_its_time_has_come(
    database: Database, recorder: Recorder
) -> None:
    recorder.failures = 1
    await accept(database, new("$1"), new("$2"))
    async with process(database, recorder):
        await recorder.has_handled("$1")
        state = await Queue(database).look()
        assert state.due_in is None or 0 < state.due_in <= 1
        await recorder.has_handled("$1", "$1", "$2")


async def test_the_lanes_of_a_dead_worker_are_taken_over(database: Database, recorder: Recorder) -> None:
    """At the start of a single process, and while another one runs."""
    lanes = await accept(database, new("$1"), new("$2", OTHER))

    async def die_over(lane: int) -> None:
        async with database.transaction() as connection:
            await Queue(database).wake(connection, [lane])
            await connection.execute("UPDATE procrastinate_jobs SET status = 'doing'")

    for lane in lanes:
        await die_over(lane)
    async with process(database, recorder):
        await recorder.has_handled("$1", "$2", in_order=False)
        await eventually(lambda: no_jobs(database), "every job has ended")
        await die_over(lanes[0])
        await accept(database, new("$3"))
        await recorder.has_handled("$1", "$2", "$3", in_order=False)


async def test_lanes_go_on_when_their_room_is_backfilled(database: Database, recorder: Recorder) -> None:
    agent = await add_agent(database)
    await Histories(database).require_backfill()
    await accept(database, new("$1", ROOM, agent))
    async with process(database, recorder) as lanes:
        (other,) = await accept(database, new("$2", OTHER))
        await wake(database, lanes, [other])
        await recorder.has_handled("$2")
        (room,) = await Histories(database).due(3600, 9)
        await Histories(database).pass_over(room)
        ((home, requests),) = [(each.home.id, each.home.check_requests) for each in await Agents(database).all()]
        # A room whose history cannot be read is compared with the homeserver first.
        await Agents(database).checked(home, requests, [])
        await recorder.has_handled("$2", "$1")


async def test_workers_share_the_lanes(database: Database) -> None:
    recorders = [Recorder(database), Recorder(database)]
    async with process(database, recorders[0]) as lanes, process(database, recorders[1]):
        woken = await accept(database, *(new(f"${number}", f"!{number}:example.org") for number in range(40)))
        await wake(database, lanes, woken)

        async def all_handled() -> bool:
            return sum(len(recorder.handled) for recorder in recorders) == 40

        await eventually(all_handled, "every turn is handled")
    handled = [event for recorder in recorders for event in recorder.handled]
    assert sorted(handled) == sorted(f"${number}" for number in range(40))


async def test_a_turn_that_ended_behind_the_back_of_its_worker_is_shown_once_more(
    database: Database, recorder: Recorder
) -> None:
    """The worker was paused, and may have edited the messages of the turn after their last edit."""

    async def lose_the_lane(turn: Turn) -> None:
        if len(recorder.handled) == 1:
            other = await take(database, turn.conversation)
            await Turns(database).commit(other, "", error="the upstream is away", parts=[])
            await Turns(database).finish(other, TurnState.FAILED, {})
            await database.execute("SELECT pg_terminate_backend(pid) FROM advisory_lock WHERE kind = %s", (LANE,))
            await asyncio.Event().wait()

    recorder.claimed = lose_the_lane
    async with process(database, recorder) as lanes:
        await wake(database, lanes, await accept(database, new("$1")))
        await recorder.has_handled("$1", "$1")


async def test_a_turn_stays_open_if_the_database_fails_while_it_is_given_up(
    database: Database, recorder: Recorder
) -> None:
    recorder.failures_to_give_up = 1
    lanes = await accept(database, new("$1"))
    await database.execute("UPDATE turn SET interruptions = %s", (MAX_INTERRUPTIONS,))
    async with process(database, recorder):
        await recorder.has_handled("gave up $1", "gave up $1")
    rows = await database.rows("SELECT state, error FROM turn")
    assert (len(lanes), rows) == (1, [{"state": "failed", "error": None}])


async def test_a_worker_is_told_of_a_job_twice() -> None:
    """A worker loses a signal that arrives while it looks for jobs."""
    signals, told = Signals(), 0

    async def tell(*, channel: str, payload: str) -> None:
        nonlocal told
        assert (channel, "job_inserted" in payload) == ("procrastinate_queue_v1#lanes", True)
        told += 1

    async def was_told(times: int) -> None:
        async def look() -> bool:
            return told == times

        await eventually(look, f"it was told {times} times")

    listening = asyncio.create_task(_Connector(signals).listen_notify(tell, []))
    await was_told(2)
    signals.send(Topic.JOBS)
    await was_told(4)
    signals.send(Topic.LANES)
    listening.cancel()
    await asyncio.wait({listening})
    assert told == 4
