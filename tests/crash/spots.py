"""Rooms with an agent and a person: the questions in them, and the messages that they show in the end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.demo.timeline import Room
from agent_bridge.store.agents import Agents
from agent_bridge.store.turns import Turns
from crash.verdict import Shown, Verdict, judge
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.config.model import Config
    from agent_bridge.store.postgres.database import Database
    from crash.asked import Question
    from support.person import Person

_SETTLED_WITHIN = 90.0
_SEEN_WITHIN = 15.0
_AGAIN = 0.2


@dataclass(frozen=True, slots=True)
class Spot:
    """A room, its agent, and a person's questions in their order."""

    room_id: str
    ghost: str
    person: Person
    asked: list[Question] = field(default_factory=list)
    #: The events of the questions.
    events: list[str] = field(default_factory=list)

    async def ask(self, question: Question) -> None:
        """Send the question once; repeat the request until the homeserver accepts it."""
        path = f"/rooms/{quote(self.room_id, safe='')}/send/m.room.message/{quote(question.key, safe='')}"
        while True:
            try:
                answer = await self.person.ask("PUT", path, {"msgtype": "m.text", "body": question.text})
            except HomeserverUnavailable:
                await asyncio.sleep(_AGAIN)
            else:
                self.asked.append(question)
                self.events.append(str(answer["event_id"]))
                return

    @property
    def seen(self) -> list[Shown]:
        """The agent's messages in the person's client."""
        return self._shown(self.person.room(self.room_id))

    async def look(self) -> tuple[Verdict, int]:
        """Judge the room by the homeserver's history and by the person's client; count the messages of its answers."""
        room = Room(self.room_id)
        for event in await self.person.history(self.room_id):
            room.see(event)
        said = [message.body for message in room.said_by(self.person.user_id)]
        assert said == [question.text for question in self.asked], "the person's own words stand as they were said"
        stored = self._shown(room)
        with contextlib.suppress(TimeoutError):
            await self.person.wait_for(lambda: self.seen == stored, _SEEN_WITHIN)
        verdict = judge(self.asked, stored)
        if self.seen != stored:
            verdict += judge(self.asked, self.seen)
        return verdict, len(stored)

    def _shown(self, room: Room) -> list[Shown]:
        return [Shown.of(message) for message in room.said_by(self.ghost)]


async def enter(database: Database, config: Config, person: Person, count: int) -> list[Spot]:
    """Wait until *count* agents have rooms, and let the invited *person* join them; sort by agents' names."""
    agents = Agents(database)

    async def settled() -> bool:
        found = await agents.all()
        return sum(bool(each.home.bot_joined and each.home.name_applied) for each in found) == count

    await eventually(settled, "every agent has a room", _SETTLED_WITHIN)
    spots = []
    for contact in sorted(await agents.all(), key=lambda each: each.agent.name):
        room_id = contact.home.room_id or ""
        await person.join(room_id)
        spots.append(Spot(room_id, config.namespace.user_id(contact.agent.ghost), person))
    await person.wait_for(lambda: all(spot.room_id in person.rooms for spot in spots))
    return spots


async def until_closed(database: Database, spots: Sequence[Spot], patience: float) -> int:
    """Wait until every question is a closed turn; return how many turns are open when *patience* (seconds) ends."""
    asked = sum(len(spot.asked) for spot in spots)
    turns = Turns(database)

    async def closed() -> bool:
        row = await database.row("SELECT count(*) AS turns FROM turn WHERE kind = 'message'")
        return row is not None and row["turns"] >= asked and not await turns.count_open()

    with contextlib.suppress(AssertionError):
        await eventually(closed, "every turn is closed", patience)
    return sum((await turns.count_open()).values())


async def delivery(database: Database, spots: Sequence[Spot]) -> tuple[str, ...]:
    """Return the questions that the homeserver delivered behind later ones of their room, or never."""
    rows = await database.rows("SELECT event_id FROM turn WHERE kind = 'message' ORDER BY id")
    rank = {row["event_id"]: number for number, row in enumerate(rows)}
    found = []
    for spot in spots:
        first_after = len(rank)
        for question, event in reversed([*zip(spot.asked, spot.events, strict=True)]):
            if event not in rank:
                found.append(f"{question.key}: never handed over")
            elif rank[event] > first_after:
                found.append(f"{question.key}: handed over behind a later one")
            first_after = min(first_after, rank.get(event, first_after))
    return tuple(found)
