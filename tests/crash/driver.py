"""The driver: people talk all the time, the bridge is killed and killed, and at the end the rooms are looked at."""

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
from urllib.parse import quote

from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.demo.sight import Room
from agent_bridge.store.contacts import Contacts
from agent_bridge.store.database import Database
from agent_bridge.store.turns import Turns
from conditions import eventually
from crash.asked import Answerer, question
from crash.replica import Replica
from crash.report import Report
from crash.verdict import Shown, Verdict, judge
from scripted import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.config.model import Config
    from agent_bridge.demo.client import Person
    from crash.asked import Question
    from house import House

_SETTLED_WITHIN = 90.0
_SEEN_WITHIN = 15.0
_AGAIN = 0.2
#: Every so manieth kill takes the homeserver along, if any does.
_SYNAPSE_EVERY = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does. Times are seconds."""

    kills: int
    seed: int
    rooms: int = 20
    processes: int = 1
    #: Whether the homeserver is killed now and then, together with the bridge.
    synapse: bool = False
    #: Between two questions in one room, on average.
    pace: float = 5.0
    #: From "the door is open" to the kill, at least and at most.
    life: tuple[float, float] = (0.2, 4.0)
    #: From the last kill until everything has to be answered.
    patience: float = 90.0


@dataclass(frozen=True, slots=True)
class Spot:
    """A room with an agent, and what was asked there in its order."""

    number: int
    room_id: str
    ghost: str
    asked: list[Question]


class Driver:
    """One run in *house*, with an empty database and an empty folder."""

    def __init__(self, plan: Plan, house: House, database_url: str, folder: Path) -> None:
        self._plan = plan
        self._house = house
        self._url = database_url
        self._folder = folder
        self._random = random.Random(plan.seed)  # noqa: S311
        self._answerer = Answerer(plan.seed)
        self._replicas: list[Replica] = []
        self._enough = asyncio.Event()
        self._kills = 0
        self._synapse_kills = 0

    async def run(self) -> Report:
        """Carry the plan out and return what was found."""
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context(self._upstream())
            person = await stack.enter_async_context(self._house.person())
            database = await stack.enter_async_context(Database(self._url))
            config = self._config(upstream, person)
            await self._add_replica(stack, config)
            spots = await self._enter_rooms(database, config, person)
            started = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for spot in spots:
                    group.create_task(self._talk(person, spot))
                try:
                    await self._kill_and_kill()
                finally:
                    self._enough.set()
            still_open = await self._until_closed(database, spots)
            duration = time.monotonic() - started
            verdict, shown = await self._look(person, spots)
            report = Report(
                seed=self._plan.seed,
                planned=self._plan.kills,
                kills=self._kills,
                synapse_kills=self._synapse_kills,
                processes=self._plan.processes,
                duration=duration,
                asked=tuple(tuple(spot.asked) for spot in spots),
                shown=shown,
                restarts=tuple(life.first_answer for replica in self._replicas for life in replica.lives[1:]),
                waits=await self._waits(database),
                repeats=self._answerer.repeats,
                still_open=still_open,
                verdict=verdict,
                evidence=None if verdict.clean and not still_open else await self._keep(person, spots),
            )
        return report

    def _upstream(self) -> ScriptedUpstream:
        upstream = ScriptedUpstream(*(f"crash-{number:02}-" for number in range(self._plan.rooms)))
        upstream.script = self._answerer.script
        return upstream

    def _config(self, upstream: ScriptedUpstream, person: Person) -> Config:
        there = {"name": "answerer", "url": upstream.url, "poll_interval": 0.5, "max_new_agents": self._plan.rooms}
        return self._house.config(
            self._url, [there], logging={"format": "json"}, rooms={"invite": [person.user_id], "concurrency": 4}
        )

    async def _add_replica(self, stack: AsyncExitStack, config: Config) -> None:
        replica = Replica(self._folder / f"bridge{len(self._replicas)}", config)
        self._replicas.append(await stack.enter_async_context(replica))

    async def _enter_rooms(self, database: Database, config: Config, person: Person) -> list[Spot]:
        """Wait until every agent has a room that the person is in."""
        contacts = Contacts(database)

        async def settled() -> bool:
            found = await contacts.all()
            ready = [each for each in found if each.portal.bot_joined and each.portal.name_applied]
            return len(ready) == self._plan.rooms

        await eventually(settled, "every agent has a room", _SETTLED_WITHIN)
        spots = []
        for number, contact in enumerate(sorted(await contacts.all(), key=lambda each: each.agent.name)):
            room_id = contact.portal.room_id or ""
            await person.join(room_id)
            spots.append(Spot(number, room_id, config.names.user_id(contact.agent.ghost), []))
        await person.wait_for(lambda: all(spot.room_id in person.rooms for spot in spots))
        return spots

    async def _talk(self, person: Person, spot: Spot) -> None:
        """Ask one question after the other, never waiting for an answer, until it is enough."""
        draw = random.Random(f"{self._plan.seed} talk {spot.number}")  # noqa: S311
        for count in itertools.count(1):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), draw.expovariate(1 / self._plan.pace))
            if self._enough.is_set():
                return
            asked = question(self._plan.seed, f"{spot.number}.{count}")
            await self._say(person, spot.room_id, asked)
            spot.asked.append(asked)

    @staticmethod
    async def _say(person: Person, room_id: str, asked: Question) -> None:
        """Say it once, however often the homeserver has to be asked to take it."""
        path = f"/rooms/{quote(room_id, safe='')}/send/m.room.message/{asked.key}"
        while True:
            try:
                await person.ask("PUT", path, {"msgtype": "m.text", "body": asked.text})
            except HomeserverUnavailable:
                await asyncio.sleep(_AGAIN)
            else:
                return

    async def _kill_and_kill(self) -> None:
        while self._kills < self._plan.kills:
            await asyncio.sleep(self._random.uniform(*self._plan.life))
            victim = self._random.choice(self._replicas)
            self._kills += 1
            if self._plan.synapse and self._kills % _SYNAPSE_EVERY == 0:
                self._synapse_kills += 1
                await asyncio.gather(victim.kill(), self._house.synapse.kill())
                await self._house.synapse.start()
            else:
                await victim.kill()
            await victim.start()

    async def _until_closed(self, database: Database, spots: Sequence[Spot]) -> int:
        """Wait until every question is a closed turn, and return how many are not when patience ends."""
        asked = sum(len(spot.asked) for spot in spots)

        async def closed() -> bool:
            row = await database.row("SELECT count(*) AS turns FROM turn WHERE kind = 'message'")
            return row is not None and row["turns"] >= asked and not await Turns(database).count_open()

        with contextlib.suppress(AssertionError):
            await eventually(closed, "every turn is closed", self._plan.patience)
        return sum((await Turns(database).count_open()).values())

    async def _look(self, person: Person, spots: Sequence[Spot]) -> tuple[Verdict, int]:
        """Judge what the person's client shows and what the homeserver has, where they differ both."""
        verdict, count = Verdict(), 0
        for spot in spots:
            there = await _as_stored(person, spot.room_id)
            stored = _shown(there, spot.ghost)
            with contextlib.suppress(TimeoutError):
                await person.wait_for(lambda spot=spot, stored=stored: _seen(person, spot) == stored, _SEEN_WITHIN)
            said = [message.body for message in there.said_by(person.user_id)]
            assert said == [asked.text for asked in spot.asked], "the person's own words stand as they were said"
            verdict += judge(spot.asked, stored)
            if (seen := _seen(person, spot)) != stored:
                verdict += judge(spot.asked, seen)
            count += len(stored)
        return verdict, count

    async def _waits(self, database: Database) -> tuple[float, ...]:
        rows = await database.rows(
            """
            SELECT extract(epoch FROM finished_at - created_at)::float AS seconds
            FROM turn WHERE kind = 'message' AND finished_at IS NOT NULL
            """
        )
        return tuple(row["seconds"] for row in rows)

    async def _keep(self, person: Person, spots: Sequence[Spot]) -> Path:
        """Keep what tells how a fault came about: every process's log and every room's events."""
        folder = Path(tempfile.mkdtemp(prefix="agent-bridge-crash-"))
        for number, replica in enumerate(self._replicas):
            lines = (json.dumps(line) for line in replica.log())
            (folder / f"bridge{number}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        for spot in spots:
            events = (json.dumps(event) for event in await person.history(spot.room_id))
            (folder / f"room{spot.number}.jsonl").write_text("\n".join(events), encoding="utf-8")
        (folder / "homeserver.log").write_bytes(self._house.synapse.log.read_bytes())
        return folder


def _shown(room: Room, ghost: str) -> list[Shown]:
    return [Shown.of(message) for message in room.said_by(ghost)]


def _seen(person: Person, spot: Spot) -> list[Shown]:
    return _shown(person.room(spot.room_id), spot.ghost)


async def _as_stored(person: Person, room_id: str) -> Room:
    """Return the room as the homeserver's whole timeline shows it."""
    room = Room(room_id)
    for event in await person.history(room_id):
        room.see(event)
    return room
