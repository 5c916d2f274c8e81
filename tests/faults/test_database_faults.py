"""The database is away, full or read-only: no event is lost, doubled or acknowledged too early."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from agent_bridge.app import Timeouts
from agent_bridge.core.errors import StoreError
from agent_bridge.render.content import LIVE
from agent_bridge.store.postgres.database import Database
from support.conditions import eventually
from support.full_disk import FILL_DISK, FILL_PAGES, FREE_DISK
from support.people import TransactionSender, conversations, echo_through, events_of, expect_answers, expect_texts, say
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Event
    from support.harness import BridgeHarness, Conversation, Running
    from support.postgres import Cluster

OK, UNAVAILABLE = 200, 503
#: Seconds that the bridge waits for a connection here.
PATIENCE = 1.0

ALL_READ_ONLY: LiteralString = "ALTER SYSTEM SET default_transaction_read_only = on"
ALL_CAN_WRITE: LiteralString = "ALTER SYSTEM RESET default_transaction_read_only"
RELOAD: LiteralString = "SELECT pg_reload_conf()"
NEW_ARE_READ_ONLY: LiteralString = """
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
    END $$
"""
NEW_CAN_WRITE: LiteralString = """
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database());
    END $$
"""
#: The statement of a connection that is read-only and has to write.
WRITE: LiteralString = "SET default_transaction_read_only = off"
END_THE_OTHERS: LiteralString = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
#: The locks of the lanes that a worker processes.
LANES: LiteralString = """
    FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
LOSE_LANES: LiteralString = "SELECT pg_terminate_backend(pid)" + LANES


@pytest.fixture
def cluster_url(cluster: Cluster) -> Iterator[str]:
    with cluster.database() as uri:
        yield uri


@dataclass(frozen=True)
class Scene:
    """A bridge on a faulty database, and its conversations."""

    config: Config
    upstream: ScriptedUpstream
    running: Running
    talks: list[Conversation]

    @property
    def sender(self) -> TransactionSender:
        return TransactionSender(self.config)


@asynccontextmanager
async def scene(harness: BridgeHarness, database_url: str, *rooms: str, pool_size: int = 10) -> AsyncIterator[Scene]:
    async with ScriptedUpstream(*rooms) as upstream:
        config = harness.config(
            database_url,
            [{"name": "scripted", "url": upstream.url}],
            logging={"format": "json"},
        )
        config = config.model_copy(update={"database": config.database.model_copy(update={"pool_size": pool_size})})
        async with (
            harness.bridge(config, Timeouts(database=PATIENCE)) as running,
            conversations(harness, running, upstream.names) as talks,
        ):
            yield Scene(config, upstream, running, talks)


async def execute(uri: str, *statements: LiteralString) -> list[tuple[object, ...]]:
    """Run *statements* on a separate connection, and return the rows of the last one."""
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
        for statement in statements:
            cursor = await admin.execute(statement)
        return await cursor.fetchall() if cursor.description else []


async def refuses(stage: Scene, event: Event) -> bool:
    """Tell whether the endpoint refuses a transaction with *event* because of the database."""
    return await stage.sender.send("in vain", event) == UNAVAILABLE


@pytest.mark.long
async def test_a_database_that_restarts_under_load(harness: BridgeHarness, cluster: Cluster, cluster_url: str) -> None:
    """An operator stops the database, later it crashes; each room shows an answer while another question waits."""
    gates = {"one": asyncio.Event()}
    async with scene(harness, cluster_url, "ada", "bob", "cleo") as stage:
        stage.upstream.script = echo_through(gates)
        await say(stage.talks, "one", "two")
        await expect_texts(stage.talks, "Echo:")
        cluster.stop("fast")
        try:
            await say(stage.talks, "three")
            event = (await events_of(stage.talks[0]))[-1]
            assert await refuses(stage, event)
        finally:
            cluster.start()
        cluster.stop("immediate")
        try:
            gates["one"].set()
            assert await refuses(stage, event)
        finally:
            cluster.start()
        await say(stage.talks, "four")
        await expect_answers(stage.talks, "Echo: one", "Echo: two", "Echo: three", "Echo: four")


@pytest.mark.long
async def test_a_database_that_crashes_as_an_answer_appears(
    harness: BridgeHarness, cluster: Cluster, cluster_url: str
) -> None:
    """The statements around an answer do not wait for the disk: a crash may lose them, and nobody notices."""
    async with scene(harness, cluster_url, "ada", "bob", "cleo") as stage:
        stage.upstream.script = echo_through({})
        seen: list[str] = []
        for text in ("one", "two", "three"):
            await say(stage.talks, text)
            await expect_texts(stage.talks, *seen, f"Echo: {text}")
            seen.append(f"Echo: {text}")
            cluster.stop("immediate")
            cluster.start()
        await say(stage.talks, "four")
        await expect_answers(stage.talks, *seen, "Echo: four")
        (open_turns,) = await execute(cluster_url, "SELECT count(*) FROM turn WHERE open")
        assert open_turns == (0,)


@pytest.mark.parametrize("seconds", [1, pytest.param(9, marks=pytest.mark.long)])
async def test_the_pool_finds_a_database_soon_after_an_outage(
    cluster: Cluster, cluster_url: str, seconds: float
) -> None:
    """The pauses of the pool do not grow with the time that the database was away."""
    async with Database(cluster_url, pool_timeout=0.5) as database:

        async def answers() -> bool:
            with suppress(StoreError):
                await database.ping()
                return True
            return False

        cluster.stop("immediate")
        try:
            away = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < away:
                assert not await answers()
        finally:
            cluster.start()
        await eventually(answers, "the pool has a connection", within=4)


@pytest.mark.long
async def test_a_database_without_a_free_connection(harness: BridgeHarness, cluster_url: str) -> None:
    """Another client's lock blocks every connection of the pool."""
    async with scene(harness, cluster_url, "ada", pool_size=4) as stage:
        (ada,) = stage.talks
        await say([ada], "zero")
        await expect_answers([ada], "Echo: zero")
        async with await psycopg.AsyncConnection.connect(cluster_url) as other:
            await other.execute("LOCK TABLE turn")
            await say([ada], "one", "two")
            first, second = (await events_of(ada))[-2:]
            numbers = itertools.count()
            held: set[asyncio.Task[int]] = set()

            async def refused() -> bool:
                held.add(asyncio.create_task(stage.sender.send(f"held {next(numbers)}", first)))
                done, _ = await asyncio.wait(held, timeout=PATIENCE / 4)
                return any(task.result() == UNAVAILABLE for task in done)

            await eventually(refused, "the endpoint says that the database is not available")
            assert OK not in {task.result() for task in held if task.done()}
            assert len(ada.answers) == 1
        await asyncio.wait(held)
        assert {task.result() for task in held} == {OK, UNAVAILABLE}
        assert await stage.sender.send("afterwards", first, second) == OK
        await expect_answers([ada], "Echo: zero", "Echo: one", "Echo: two")


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        pytest.param((ALL_READ_ONLY, RELOAD), (ALL_CAN_WRITE, RELOAD), id="read only", marks=pytest.mark.long),
        pytest.param((FILL_DISK,), (FREE_DISK,), id="disk full"),
    ],
)
async def test_a_database_that_cannot_write(
    harness: BridgeHarness, cluster_url: str, break_it: tuple[LiteralString, ...], mend_it: tuple[LiteralString, ...]
) -> None:
    gates = {"one": asyncio.Event()}
    async with scene(harness, cluster_url, "ada", "bob") as stage:
        stage.upstream.script = echo_through(gates)
        await say(stage.talks, "one", "two")
        await expect_texts(stage.talks, "Echo:")
        await execute(cluster_url, *break_it)
        try:
            await say(stage.talks, "three")
            for talk in stage.talks:
                event = (await events_of(talk))[-1]
                await eventually(partial(refuses, stage, event), "the endpoint takes nothing")
            gates["one"].set()

            async def given_up() -> bool:
                return not await execute(cluster_url, "SELECT 1" + LANES)

            await eventually(given_up, "the answers could not be written down")
        finally:
            await execute(cluster_url, WRITE, *mend_it)
        await say(stage.talks, "four")
        await expect_answers(stage.talks, "Echo: one", "Echo: two", "Echo: three", "Echo: four")


async def test_an_agent_is_asked_once_although_its_answer_cannot_be_stored(
    harness: BridgeHarness, cluster_url: str
) -> None:
    """An agent that acts would act each time; and the disk is no reason to give a question up."""
    async with scene(harness, cluster_url, "ada") as stage:
        (ada,) = stage.talks
        await execute(cluster_url, FILL_PAGES)
        try:
            await say([ada], "one")

            async def claimed_often() -> bool:
                ((attempts,),) = await execute(cluster_url, "SELECT max(attempts) FROM turn")
                return isinstance(attempts, int) and attempts > 3

            await eventually(claimed_often, "the turn is claimed several times")
            assert stage.upstream.questions == ["one"]
        finally:
            await execute(cluster_url, FREE_DISK)
        await expect_answers([ada], "Echo: one")
        assert stage.upstream.questions == ["one"]


@pytest.mark.long
async def test_connections_that_stay_read_only_are_not_kept(harness: BridgeHarness, cluster_url: str) -> None:
    """After a failover a database is read-only at first, and connections from that time stay read-only."""
    async with scene(harness, cluster_url, "ada") as stage:
        (ada,) = stage.talks
        await say([ada], "one")
        await expect_answers([ada], "Echo: one")
        await execute(cluster_url, NEW_ARE_READ_ONLY, END_THE_OTHERS)
        await say([ada], "two")
        event = (await events_of(ada))[-1]
        await eventually(lambda: refuses(stage, event), "the endpoint takes nothing")
        await execute(cluster_url, WRITE, NEW_CAN_WRITE)
        await say([ada], "three")
        await expect_answers([ada], "Echo: one", "Echo: two", "Echo: three")


async def test_a_lost_lock_doubles_nothing(harness: BridgeHarness, cluster_url: str) -> None:
    gates = {"one": asyncio.Event()}
    async with scene(harness, cluster_url, "ada") as stage:
        (ada,) = stage.talks
        stage.upstream.script = echo_through(gates)
        await say([ada], "one", "two")
        await ada.person.wait_for(lambda: [answer.body for answer in ada.answers] == ["Echo:"])
        assert await execute(cluster_url, LOSE_LANES) == [(True,)]
        gates["one"].set()
        await expect_answers([ada], "Echo: one", "Echo: two")
        await say([ada], "three")
        await expect_answers([ada], "Echo: one", "Echo: two", "Echo: three")


@pytest.mark.long
async def test_a_growing_answer_stands_still_while_the_database_is_silent(
    harness: BridgeHarness, cluster_url: str
) -> None:
    """The worker does not know whether it holds its lane. 5 s later it counts the lane as lost."""
    enough = asyncio.Event()

    async def script(_question: str) -> AsyncIterator[str]:
        yield "Once"
        while not enough.is_set():
            await asyncio.sleep(0.1)
            yield " more"

    where = conninfo_to_dict(cluster_url)
    async with Line(f"{where['host']}/.s.PGSQL.{where.get('port') or 5432}") as line:
        url = f"postgresql://{where['user']}@127.0.0.1:{line.port}/{where['dbname']}"
        async with scene(harness, url, "ada") as stage:
            (ada,) = stage.talks
            stage.upstream.script = script
            await say([ada], "one")
            await ada.person.wait_for(lambda: ada.answers and len(ada.answers[0].versions) > 2)
            line.silence()
            silent = time.time()

            async def asked_again() -> bool:
                return len(stage.upstream.asked) == 2

            await eventually(asked_again, "the lane is lost and taken up again", within=30)
            enough.set()
            await ada.person.wait_for(lambda: LIVE not in ada.answers[0].content)
            history = await ada.person.history(ada.room_id)
    after = [event["origin_server_ts"] / 1000 - silent for event in history if event["sender"] == ada.ghost]
    assert not [seconds for seconds in after if 4.2 < seconds < 5]


@pytest.mark.long
async def test_a_lost_lock_does_not_let_two_workers_speak(
    harness: BridgeHarness, cluster_url: str, tmp_path: Path
) -> None:
    """The second worker takes the lane over in the middle of the first one's answer; the first one does not know it."""
    gate = asyncio.Event()
    asked = itertools.count(1)

    async def script(question: str) -> AsyncIterator[str | int | Exception | None]:
        number = next(asked)
        yield "Answer "
        if question == "one" and number == 1:
            await gate.wait()
        yield f"{number} to {question}"

    async with scene(harness, cluster_url, "ada") as stage, BridgeProcess(tmp_path, stage.config, "worker"):
        (ada,) = stage.talks
        stage.upstream.script = script
        await say([ada], "one")
        await ada.person.wait_for(lambda: [answer.body for answer in ada.answers] == ["Answer"])
        assert await execute(cluster_url, LOSE_LANES) == [(True,)]

        async def taken_over() -> bool:
            return len(stage.upstream.asked) == 2 and await ada.idle()

        await eventually(taken_over, "another worker has carried the turn out")
        gate.set()
        await say([ada], "two")
        await ada.person.wait_for(lambda: ada.answers[-1].body.endswith("to two"))
        await ada.wait_until_idle()
        rows = await stage.running.database.rows("SELECT answer FROM turn WHERE answer <> '' ORDER BY id")
        said = await stage.running.database.rows("SELECT content FROM message WHERE role = 'assistant' ORDER BY id")
        seen = [answer.body for answer in ada.answers]
        assert len(seen) == 2
        assert seen == [row["answer"] for row in rows]
        assert seen == [row["content"] for row in said]
