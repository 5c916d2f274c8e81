"""The driver: people talk all the time, the driver kills the bridge many times and checks the rooms at the end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.worker import MAX_INTERRUPTIONS
from agent_bridge.demo.synapse import free_port
from agent_bridge.store.postgres.database import Database
from crash.asked import Answerer, question
from crash.balancer import Balancer
from crash.replica import Replica, takeovers
from crash.report import Report
from crash.spots import delivery, enter, until_closed
from crash.verdict import Verdict, judge_histories
from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.config.model import Config
    from crash.spots import Spot
    from support.harness import BridgeHarness
    from support.person import Person

#: Every tenth kill also kills the homeserver, if the plan has such kills.
_SYNAPSE_EVERY = 10
#: Interruptions that a turn must have left, so that several deaths at once stay below the limit.
_MARGIN = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run. Times are seconds."""

    kills: int
    seed: int
    rooms: int = 20
    processes: int = 1
    #: Whether some kills include the homeserver.
    synapse: bool = True
    #: Between two questions in one room, on average.
    pace: float = 8.0
    #: From "the door is open" to the kill, at least and at most.
    life: tuple[float, float] = (0.2, 4.0)
    #: From the last kill until the limit for all answers.
    patience: float = 90.0


class Driver:
    """One run with the homeserver of *harness*, an empty database and a new folder."""

    def __init__(self, plan: Plan, harness: BridgeHarness, database_url: str, folder: Path) -> None:
        self._plan = plan
        self._harness = harness
        self._url = database_url
        self._folder = folder
        self._random = random.Random(plan.seed)  # noqa: S311
        self._answerer = Answerer(plan.seed)
        self._replicas: list[Replica] = []
        self._enough = asyncio.Event()
        self._kills = 0
        self._synapse_kills = 0

    async def run(self) -> Report:
        """Carry the plan out and return the report."""
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context(self._upstream())
            person = await stack.enter_async_context(self._harness.person())
            database = await stack.enter_async_context(Database(self._url))
            config = self._config(upstream, person)
            await self._start_bridges(stack, config)
            spots = await enter(database, config, person, self._plan.rooms)
            started = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for number, spot in enumerate(spots):
                    group.create_task(self._talk(number, spot))
                try:
                    await self._kill_and_kill(database)
                finally:
                    self._enough.set()
            still_open = await until_closed(database, spots, self._plan.patience)
            duration = time.monotonic() - started
            verdict, shown = Verdict(), 0
            for spot in spots:
                found, count = await spot.look()
                verdict, shown = verdict + found, shown + count
            verdict += judge_histories([question for spot in spots for question in spot.asked], _histories(upstream))
            return Report(
                seed=self._plan.seed,
                planned=self._plan.kills,
                kills=self._kills,
                synapse_kills=self._synapse_kills,
                processes=self._plan.processes,
                duration=duration,
                asked=tuple(tuple(spot.asked) for spot in spots),
                shown=shown,
                restarts=tuple(life.first_answer for replica in self._replicas for life in replica.lives[1:]),
                takeovers=takeovers(self._replicas),
                waits=await self._waits(database),
                repeats=self._answerer.repeats,
                delivery=await delivery(database, spots),
                still_open=still_open,
                verdict=verdict,
                evidence=None if verdict.clean and not still_open else await self._keep(spots),
            )

    def _upstream(self) -> ScriptedUpstream:
        upstream = ScriptedUpstream(*(f"crash-{number:02}-" for number in range(self._plan.rooms)))
        upstream.script = self._answerer.script
        return upstream

    def _config(self, upstream: ScriptedUpstream, person: Person) -> Config:
        there = {"name": "answerer", "url": upstream.url, "poll_interval": 0.5, "max_new_agents": self._plan.rooms}
        return self._harness.config(
            self._url, [there], logging={"format": "json"}, rooms={"invite": [person.user_id], "concurrency": 4}
        )

    async def _start_bridges(self, stack: AsyncExitStack, config: Config) -> None:
        """Start one bridge at the address that the homeserver knows, or several behind it."""
        configs = [config]
        if self._plan.processes > 1:
            ports = [free_port() for _ in range(self._plan.processes)]
            await stack.enter_async_context(Balancer(config.appservice.port, ports))
            services = [config.appservice.model_copy(update={"port": port}) for port in ports]
            configs = [config.model_copy(update={"appservice": service}) for service in services]
        for number, each in enumerate(configs):
            replica = Replica(self._folder / f"bridge{number}", each)
            self._replicas.append(await stack.enter_async_context(replica))

    async def _talk(self, number: int, spot: Spot) -> None:
        """Ask one question after the other, never waiting for an answer, until it is enough."""
        draw = random.Random(f"{self._plan.seed} talk {number}")  # noqa: S311
        for count in itertools.count(1):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), draw.expovariate(1 / self._plan.pace))
            if self._enough.is_set():
                return
            await spot.ask(question(self._plan.seed, f"{number}.{count}"))

    async def _kill_and_kill(self, database: Database) -> None:
        while self._kills < self._plan.kills:
            await asyncio.sleep(self._random.uniform(*self._plan.life))
            await self._spare(database)
            victim = self._random.choice(self._replicas)
            self._kills += 1
            if self._plan.synapse and self._kills % _SYNAPSE_EVERY == 0:
                self._synapse_kills += 1
                await asyncio.gather(victim.kill(), self._harness.synapse.kill())
                await self._harness.synapse.start()
            else:
                await victim.kill()
            await victim.start()

    async def _spare(self, database: Database) -> None:
        """Wait for the end of turns with many interruptions, which the bridge would soon give up as deadly.

        On a slow machine each life may be too short for a long answer. Another test covers deadly turns.
        """
        open_still = "SELECT 1 FROM turn WHERE finished_at IS NULL AND interruptions >= %s LIMIT 1"

        async def spared() -> bool:
            return await database.row(open_still, (MAX_INTERRUPTIONS - _MARGIN,)) is None

        with contextlib.suppress(AssertionError):
            await eventually(spared, "those that died often are closed", self._plan.patience)

    @staticmethod
    async def _waits(database: Database) -> tuple[float, ...]:
        rows = await database.rows(
            """
            SELECT extract(epoch FROM finished_at - created_at)::float AS seconds
            FROM turn WHERE kind = 'message' AND finished_at IS NOT NULL
            """
        )
        return tuple(row["seconds"] for row in rows)

    async def _keep(self, spots: Sequence[Spot]) -> Path:
        """Keep the evidence of a fault: the log of every process and the events of every room."""
        folder = Path(tempfile.mkdtemp(prefix="agent-bridge-crash-"))
        for number, replica in enumerate(self._replicas):
            lines = (json.dumps(line) for line in replica.log())
            (folder / f"bridge{number}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        for number, spot in enumerate(spots):
            events = (json.dumps(event) for event in await spot.person.history(spot.room_id))
            (folder / f"room{number}.jsonl").write_text("\n".join(events), encoding="utf-8")
        (folder / "homeserver.log").write_bytes(self._harness.synapse.log.read_bytes())
        return folder


def _histories(upstream: ScriptedUpstream) -> list[list[str]]:
    """Return the keys of the questions in each request that *upstream* got."""
    return [
        [said["content"].partition(" ")[0] for said in body["messages"] if said["role"] == "user"]
        for body in upstream.asked
    ]
