"""Jobs of the queue on a real PostgreSQL: dead workers, lanes without a job, and the end of a job."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import procrastinate
import psycopg
import pytest
from procrastinate.jobs import DeleteJobCondition

from agent_bridge.bridge.queue.lanes import Lanes
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.agents import Agents
from agent_bridge.store.history import Histories
from agent_bridge.store.postgres.locks import LANE
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.queue import QUEUE, Queue
from agent_bridge.store.turns import Turns
from support.sessions import open_locks
from support.turn_rows import ROOM, accept, add_agent, finish, new, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.postgres.database import Database
    from support.postgres import Server

CHANNEL = f"procrastinate_queue_v1#{QUEUE}"


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


@pytest.fixture
async def app(database: Database) -> AsyncIterator[procrastinate.App]:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector())
    await app.connector.open_async(database.pool)
    yield app
    await app.connector.close_async()


async def defer(app: procrastinate.App, lane: int, *, queue: str = QUEUE, running: bool = False) -> int:
    """Put a job for *lane* into the queue; with *running*, as one that a worker runs."""
    job = await app.configure_task("lane", queue=queue, lock=f"lane-{lane}").defer_async(lane=lane)
    if running:
        query = "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %(job)s"
        await app.connector.execute_query_async(query, job=job)
    return job


class Ear:
    """Receives the notifications that a worker gets."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def heard(self) -> list[str]:
        """Return the types of the notifications since the last call."""
        # The notification of this connection arrives after all earlier ones.
        await self._connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, '{"type": "end"}'))
        kinds: list[str] = []
        async for notice in self._connection.notifies(timeout=10):
            kind = json.loads(notice.payload)["type"]
            if kind == "end":
                return kinds
            kinds.append(kind)
        raise AssertionError("the connection does not hear itself")


@asynccontextmanager
async def listening(uri: str) -> AsyncIterator[Ear]:
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as connection:
        await connection.execute(f'LISTEN "{CHANNEL}"'.encode())
        yield Ear(connection)


async def test_a_running_job_without_a_lock_on_its_lane_is_an_orphan(
    app: procrastinate.App, queue: Queue, store_url: str
) -> None:
    orphan = await defer(app, 1, running=True)
    held = await defer(app, 2, running=True)
    await defer(app, 1)
    await defer(app, 3)
    await defer(app, 4, queue="another", running=True)
    async with open_locks(store_url) as locks, locks.hold(LANE, 2):
        assert (await queue.look()).orphans == {orphan}
    assert (await queue.look()).orphans == {orphan, held}


@pytest.mark.parametrize("kind", [LANE, LANE + 1])
async def test_only_the_lanes_own_lock_counts(app: procrastinate.App, queue: Queue, store_url: str, kind: int) -> None:
    job = await defer(app, 2**31 + 7, running=True)
    async with open_locks(store_url) as locks, locks.hold(kind, 7):
        assert (await queue.look()).orphans == (set() if kind == LANE else {job})


async def test_a_lock_of_another_database_does_not_count(
    app: procrastinate.App, queue: Queue, postgres: Server
) -> None:
    job = await defer(app, 1, running=True)
    with postgres.database() as elsewhere:
        async with open_locks(elsewhere) as locks, locks.hold(LANE, 1) as held:
            assert held
            assert (await queue.look()).orphans == {job}


async def test_a_lane_is_free_when_the_worker_that_held_it_is_killed(
    app: procrastinate.App, queue: Queue, store_url: str
) -> None:
    job = await defer(app, 1, running=True)
    async with await psycopg.AsyncConnection.connect(store_url, autocommit=True) as worker:
        await worker.execute("SELECT pg_advisory_lock(%s, %s)", (LANE, 1))
        assert (await queue.look()).orphans == set()
        async with await psycopg.AsyncConnection.connect(store_url, autocommit=True) as killer:
            # Waits until the other connection has ended.
            cursor = await killer.execute("SELECT pg_terminate_backend(%s, 10000)", (worker.info.backend_pid,))
            assert await cursor.fetchone() == (True,)
        assert (await queue.look()).orphans == {job}
        await queue.remove({job})
        assert (await queue.look()).orphans == set()


async def test_removing_takes_these_jobs_only(app: procrastinate.App, queue: Queue, database: Database) -> None:
    jobs = [await defer(app, lane) for lane in (1, 2, 3)]
    await queue.remove([])
    await queue.remove(jobs[:2])
    rows = await database.rows("SELECT id FROM procrastinate_jobs")
    assert [row["id"] for row in rows] == jobs[2:]


async def test_lanes_with_open_turns_and_no_job_are_idle(
    app: procrastinate.App, queue: Queue, database: Database
) -> None:
    rooms = {"$1": "!a", "$2": "!b", "$3": "!c", "$4": "!d", "$5": "!e", "$6": "!a"}
    waiting, working, later, first, done = await accept(database, *(new(event, room) for event, room in rooms.items()))
    await defer(app, waiting)
    await defer(app, working, running=True)
    await finish(database, await take(database, done))
    # A failed job, or a job of another lane, does not serve a lane.
    job = await defer(app, first, running=True)
    await database.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", (job,))
    assert list((await queue.look()).idle) == [later, first]
    await Turns(database).commit(await take(database, later), "x", error=None, parts=range(1))
    assert list((await queue.look()).idle) == [later, first]
    await defer(app, later)
    assert list((await queue.look()).idle) == [first]


async def test_a_lane_whose_head_waits_for_its_next_try_is_not_idle(queue: Queue, database: Database) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turns = Turns(database)
    await turns.put_back(await take(database, lane), delay=60, failed=False, why="the homeserver is away")
    assert list((await queue.look()).idle) == []
    await queue.retry_now()
    assert list((await queue.look()).idle) == [lane]
    await turns.put_back(await take(database, lane), delay=60, failed=True, why="the upstream is away")
    await queue.retry_now()
    assert list((await queue.look()).idle) == []
    await database.execute("UPDATE turn SET not_before = NULL")
    await turns.put_back(await take(database, lane), delay=0, failed=True, why="the upstream is away")
    assert list((await queue.look()).idle) == [lane]


async def test_a_clock_that_was_set_back_holds_no_lane(queue: Queue, database: Database) -> None:
    (lane,) = await accept(database, new("$1"))
    await Turns(database).put_back(await take(database, lane), delay=60, failed=True, why="the upstream is away")
    await database.execute(
        "UPDATE turn SET not_before = not_before + interval '1 hour', waits_since = waits_since + interval '1 hour'"
    )
    assert list((await queue.look()).idle) == [lane]


async def test_a_suspect_room_has_no_idle_lane_but_the_bots(queue: Queue, database: Database) -> None:
    agent = await add_agent(database)
    lane, bots, elsewhere = await accept(
        database, new("$1", ROOM, agent), new("$2", kind=TurnKind.COMMAND), new("$3", "!not-watched")
    )
    rooms = Histories(database)
    await rooms.require_backfill()
    assert list((await queue.look()).idle) == [bots, elsewhere]
    (room,) = await rooms.due(600, 10)
    await rooms.pass_over(room)
    assert list((await queue.look()).idle) == [bots, elsewhere]
    (agent_room,) = await Agents(database).all()
    await Agents(database).checked(agent_room.home.id, agent_room.home.check_requests, [])
    assert list((await queue.look()).idle) == [lane, bots, elsewhere]


@pytest.mark.parametrize(
    ("ended", "waiting", "heard"),
    [
        pytest.param({"lane": 1, "running": True}, {"lane": 1}, ["job_inserted"], id="a job waits for the same lane"),
        pytest.param({"lane": 1, "running": True}, {"lane": 2}, [], id="a job waits for another lane"),
        pytest.param({"lane": 1, "running": True}, None, [], id="no job waits"),
        pytest.param({"lane": 1}, {"lane": 1}, [], id="the job was not running"),
    ],
)
async def test_the_end_of_a_job_is_told_to_workers(
    app: procrastinate.App, queue: Queue, store_url: str, ended: Any, waiting: Any, heard: list[str]
) -> None:
    job = await defer(app, **ended)
    if waiting is not None:
        await defer(app, **waiting)
    async with listening(store_url) as ear:
        assert await ear.heard() == []
        await queue.remove([job])
        assert await ear.heard() == heard


async def test_the_next_job_of_a_lane_starts_when_the_one_before_ends(app: procrastinate.App) -> None:
    """The polling interval does not delay the next job."""
    started: list[float] = []
    both = asyncio.Event()

    @app.task(name="lane", queue=QUEUE)
    async def work(lane: int) -> None:  # noqa: ARG001
        started.append(time.monotonic())
        await asyncio.sleep(0.3)
        if len(started) == 2:
            both.set()

    worker = asyncio.create_task(
        app.run_worker_async(
            queues=[QUEUE],
            concurrency=4,
            fetch_job_polling_interval=60,
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
        )
    )
    try:
        for _ in range(2):
            await work.configure(lock="lane-1").defer_async(lane=1)
        async with asyncio.timeout(20):
            await both.wait()
    finally:
        worker.cancel()
        await asyncio.wait({worker})
    assert 0.3 <= started[1] - started[0] < 5


async def test_the_end_of_a_job_that_another_process_removed_is_no_error(
    database: Database, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    done = asyncio.Event()
    running = "SELECT id FROM procrastinate_jobs WHERE status = 'doing'"

    async def process(lane: int) -> None:
        if lane == 1:
            await queue.remove([row["id"] for row in await database.rows(running)])
        else:
            done.set()

    async with Lanes(database, queue, Signals()) as lanes:
        lanes.set_processor(process)
        async with database.transaction() as connection:
            await lanes.wake(connection, [1, 2])
        worker = asyncio.create_task(lanes.work(concurrency=1, drain_timeout=5))
        async with asyncio.timeout(20):
            await done.wait()
        worker.cancel()
        await asyncio.wait({worker})
    # The event loop reports an error that no task has read when the task's memory is freed.
    gc.collect()
    assert "exception was never retrieved" not in caplog.text
