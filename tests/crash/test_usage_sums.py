"""Processes are killed while agents answer: at the end the bridge has counted the tokens as the server did."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.demo.synapse import free_port
from agent_bridge.store.postgres.database import Database
from crash.balancer import Balancer
from crash.counting import CountingUpstream
from crash.doomed_process import DoomedProcess
from crash.replica import Replica
from crash.spots import enter
from support.conditions import eventually
from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crash.counting import Count
    from crash.spots import Spot
    from support.harness import BridgeHarness
    from support.postgres import Server

#: Rooms of each server, and seconds from the questions to the death of a process, at least and at most.
_ROOMS, _LIFE = 3, (0.1, 0.8)
#: Points at which a process dies, and the requests that it has sent by then without the commit of the answer.
_POINTS = {"first_words": 1, "before:commit:1": 1, "after:commit:1": 0}
_CLOSED_WITHIN = 120.0


@dataclass(frozen=True)
class Row:
    """A request as the bridge counts it."""

    question: str
    read: int
    written: int
    is_estimated: bool


class Run:
    """A run with processes that are killed."""

    def __init__(self, replicas: Sequence[Replica], spots: Sequence[Spot], seed: int) -> None:
        self._replicas = replicas
        self._spots = spots
        self._random = random.Random(seed)  # noqa: S311
        self.asked: list[tuple[Spot, str]] = []

    async def carry_out(self, kills: int) -> None:
        """Ask in every room, and kill a process, again and again."""
        for number in range(kills):
            for place, spot in enumerate(self._spots):
                text = f"question {number}-{place}"
                self.asked.append((spot, text))
                await spot.person.say(spot.room_id, text)
            await asyncio.sleep(self._random.uniform(*_LIFE))
            replica = self._random.choice(self._replicas)
            await replica.kill()
            await replica.start()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kills", "processes"), [(1, 1), pytest.param(50, 2, marks=pytest.mark.long)], ids=["1 kill", "50 kills"]
)
async def test_the_sum_of_usage_is_the_count_of_the_servers(
    harness: BridgeHarness, postgres: Server, tmp_path: Path, kills: int, processes: int
) -> None:
    seed = secrets.randbelow(1_000_000)
    idempotent, other = (CountingUpstream(_ROOMS, has_keys=has_keys) for has_keys in (True, False))
    async with AsyncExitStack() as stack:
        database_url = stack.enter_context(postgres.migrated())
        for upstream in (idempotent, other):
            await stack.enter_async_context(upstream)
        person = await stack.enter_async_context(harness.person())
        admin = await stack.enter_async_context(harness.person("admin"))
        database = await stack.enter_async_context(Database(database_url))
        config = harness.config(
            database_url,
            [idempotent.config, other.config],
            logging={"format": "json"},
            rooms={"invite": [person.user_id], "concurrency": 4},
        )
        ports = [config.appservice.port] if processes == 1 else [free_port() for _ in range(processes)]
        if processes > 1:
            await stack.enter_async_context(Balancer(config.appservice.port, ports))
        replicas = []
        for number, port in enumerate(ports):
            service = config.appservice.model_copy(update={"port": port})
            own = config.model_copy(update={"appservice": service})
            replicas.append(await stack.enter_async_context(Replica(tmp_path / f"bridge{number}", own)))
        spots = await enter(database, config, (person,), 2 * _ROOMS)
        run = Run(replicas, spots, seed)
        await run.carry_out(kills)
        await until_closed(database, len(run.asked))
        check_keys(await rows_of(database, idempotent), idempotent.count)
        asked = [question for spot, question in run.asked if spot.model in other.names]
        check_attempts(await rows_of(database, other), other.count, asked, seed)
        rows = [*await rows_of(database, idempotent), *await rows_of(database, other)]
        dm = await admin.create_dm(config.namespace.bot)
        await admin.say(dm, "usage user month")
        total = sum(row.read + row.written for row in rows)
        expected = f"{len(rows):,} requests, {total:,} tokens"
        await admin.wait_for(lambda: [m for m in admin.room(dm).messages.values() if expected in m.body])


@pytest.mark.long
@pytest.mark.parametrize("has_keys", [True, False], ids=["idempotent", "not idempotent"])
async def test_a_death_at_any_point_counts_no_request_twice(
    harness: BridgeHarness, database_url: str, tmp_path: Path, *, has_keys: bool
) -> None:
    upstream = CountingUpstream(len(_POINTS), has_keys=has_keys)
    async with upstream, harness.person() as person, Database(database_url) as database:
        config = harness.config(
            database_url,
            [upstream.config],
            logging={"format": "json"},
            rooms={"invite": [person.user_id], "concurrency": 4},
        )
        for number, point in enumerate(_POINTS):
            async with DoomedProcess(tmp_path, config, point, point) as process:
                await process.wait_for("listening")
                if number == 0:
                    spots = await enter(database, config, (person,), len(_POINTS))
                # It goes on with the question of the process before.
                await until_closed(database, number)
                await person.say(spots[number].room_id, point)
                assert await process.death() == -signal.SIGKILL
        async with BridgeProcess(tmp_path, config):
            await until_closed(database, len(_POINTS))
        rows = await rows_of(database, upstream)
    if has_keys:
        check_keys(rows, upstream.count)
    else:
        check_attempts(rows, upstream.count, [*_POINTS], 0)
        estimated = Counter(row.question for row in rows if row.is_estimated)
        assert {point: estimated[point] for point in _POINTS} == _POINTS


async def rows_of(database: Database, upstream: CountingUpstream) -> list[Row]:
    """Return the requests to *upstream* as the bridge counts them."""
    query = """
        SELECT coalesce(t.payload->>'body', '') AS question, u.input_tokens AS read, u.output_tokens AS written,
               u.is_estimated
        FROM usage u JOIN turn t ON t.id = u.turn WHERE u.upstream = %s
    """
    return [Row(**row) for row in await database.rows(query, (upstream.name,))]


async def until_closed(database: Database, turns: int) -> None:
    """Wait until as many questions as *turns* are there, and answered."""

    async def closed() -> bool:
        states = await database.rows("SELECT state, count(*) AS number FROM turn WHERE kind = 'message' GROUP BY state")
        return states == ([{"state": "done", "number": turns}] if turns else [])

    await eventually(closed, "every question is answered", _CLOSED_WITHIN)


def check_keys(rows: Sequence[Row], count: Count) -> None:
    """A repeated request is the same one: the sums are equal."""
    wanted = sorted((each.question, each.read, each.written, False) for each in count.requests)
    assert sorted((row.question, row.read, row.written, row.is_estimated) for row in rows) == wanted


def check_attempts(rows: Sequence[Row], count: Count, asked: Sequence[str], seed: int) -> None:
    """Each answer that people have is counted as it was reported, and each request that was cut is estimated."""
    reported = [row for row in rows if not row.is_estimated]
    assert sorted(row.question for row in reported) == sorted(asked), seed
    whole = {(each.question, each.read, each.written) for each in count.requests if each.is_whole}
    assert {(row.question, row.read, row.written) for row in reported} <= whole
    of_server = Counter(each.question for each in count.requests)
    of_bridge = Counter(row.question for row in rows)
    missing = {question: of_server[question] - of_bridge[question] for question in of_server}
    # An attempt that was killed before its request is counted too: the bridge cannot know.
    assert not {question for question, number in missing.items() if number > 0}, (missing, seed)
