"""Rooms with an agent and people: the questions in them, and the messages that they show in the end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.ids import turn_key
from agent_bridge.core.rooms import WhenBusy
from agent_bridge.demo.timeline import Room
from agent_bridge.store.agents import AgentRoom, Agents
from agent_bridge.store.rooms import Rooms
from crash.asked import Change
from crash.verdict import Shown, Verdict, judge, judge_reactions
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.config.model import Config
    from agent_bridge.store.postgres.database import Database
    from crash.asked import Question
    from support.person import Person

#: Seconds until rooms are complete.
SETTLED_WITHIN = 90.0
_SEEN_WITHIN = 15.0
_AGAIN = 0.2


@dataclass(slots=True)
class Said:
    """A question that stands in a room."""

    question: Question
    event_id: str
    person: Person
    #: The user ids that it mentions.
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spot:
    """A room, one agent in it, and the people's questions to that agent in their order."""

    room_id: str
    #: The agent: localpart and id of its user, and its model.
    localpart: str
    ghost: str
    model: str
    #: The first one sees the room for the verdict.
    people: tuple[Person, ...]
    #: Whether a new message interrupts the answer that is given.
    interrupts: bool = False
    said: list[Said] = field(default_factory=list)
    #: All questions in a room of several agents; empty in a room of one agent.
    said_to_all: list[Said] = field(default_factory=list)
    #: The events of messages that were answered together with an earlier one, with the event of that one.
    collected: dict[str, str] = field(default_factory=dict)

    @property
    def person(self) -> Person:
        """The first of the people."""
        return self.people[0]

    @property
    def asked(self) -> list[Question]:
        """The questions, each with what a person did about it since."""
        newest = {each.question.thread: each for each in self.said}
        return [
            replace(each.question, interruptible=self.interrupts and newest[each.question.thread] is not each)
            for each in self.said
        ]

    @property
    def answered(self) -> dict[str, Question]:
        """The questions with an answer, by the event whose turn gives it.

        Messages that were answered together have the answer to the last one of them.
        """
        return {
            self.collected.get(each.event_id, each.event_id): question
            for each, question in zip(self.said, self.asked, strict=True)
        }

    @property
    def groups(self) -> list[list[str]]:
        """The keys of the questions that were answered together, in their order."""
        heads: dict[str, list[str]] = {}
        for each in self.said:
            heads.setdefault(self.collected.get(each.event_id, each.event_id), []).append(each.question.key)
        return [keys for keys in heads.values() if len(keys) > 1]

    async def read_groups(self, database: Database) -> None:
        """Read which messages were answered together."""
        rows = await database.rows(
            """
            SELECT part.event_id, head.event_id AS head FROM turn part JOIN turn head ON head.id = part.collected_into
                   JOIN conversation c ON c.id = part.conversation JOIN agent a ON a.id = c.agent
            WHERE part.kind = 'message' AND a.ghost = %s AND part.event_id = ANY(%s)
            """,
            (self.localpart, [each.event_id for each in self.said]),
        )
        self.collected.update((row["event_id"], row["head"]) for row in rows)

    async def ask(self, question: Question, by: Person | None = None, content: Mapping[str, Any] | None = None) -> Said:
        """Send the question once; *content* has more fields of the event."""
        said = await self.send(question, by or self.person, content or {})
        self.said.append(said)
        return said

    async def send(self, question: Question, by: Person, content: Mapping[str, Any]) -> Said:
        """Send an event with the question, and the other fields *content*, once."""
        body = {"msgtype": "m.text", "body": question.text} | dict(content)
        event = await self._insist(by, f"send/m.room.message/{quote(question.key, safe='')}", body)
        return Said(question, event, by, tuple(body.get("m.mentions", {}).get("user_ids", ())))

    async def ask_in_thread(self, question: Question, root: Said, by: Person) -> Said:
        """Send the question into the thread of *root*."""
        return await self.ask(replace(question, thread=root.question.key), by, in_thread(root))

    async def change(self, said: Said, change: Change, edited: Question | None = None) -> None:
        """Do *change* with the question of *said*; *edited* is the new one of an edit."""
        question, txn = said.question, quote(f"{said.question.key} {change}", safe="")
        # What is due changes before the request: it may be carried out although it fails.
        said.question = replace(question, change=change)
        if change is Change.REDACT:
            await self._insist(said.person, f"redact/{quote(said.event_id, safe='')}/{txn}", {})
        elif change is Change.EDIT and edited is not None:
            said.question = replace(edited, thread=question.thread, change=change, key_before=question.key)
            mentions = {"m.mentions": {"user_ids": [*said.mentions]}} if said.mentions else {}
            new = {"msgtype": "m.text", "body": edited.text} | mentions
            relation = {"rel_type": "m.replace", "event_id": said.event_id}
            body = {"msgtype": "m.text", "body": f"* {edited.text}", "m.new_content": new, "m.relates_to": relation}
            await self._insist(said.person, f"send/m.room.message/{txn}", body)
        else:
            relation = {"rel_type": "m.annotation", "event_id": said.event_id, "key": str(change)}
            await self._insist(said.person, f"send/m.reaction/{txn}", {"m.relates_to": relation})

    async def look(self) -> tuple[Verdict, int]:
        """Judge the room by the homeserver's history and by the person's client; count the messages of its answers."""
        room = Room(self.room_id)
        history = await self.person.history(self.room_id)
        for event in history:
            room.see(event)
        place = {event["event_id"]: number for number, event in enumerate(history)}
        for said in (self.said, self.said_to_all):
            said.sort(key=lambda each: place[each.event_id])
        ours = {person.user_id for person in self.people}
        texts = [message.body for message in room.messages.values() if message.sender in ours]
        asked = [each.question for each in self.said_to_all or self.said]
        standing = [question.text for question in asked if question.change is not Change.REDACT]
        assert texts == standing, "the people's own words stand as they were said"
        stored = self._shown(room)
        with contextlib.suppress(TimeoutError):
            await self.person.wait_for(lambda: self._seen == stored, _SEEN_WITHIN)
        answered = self.answered
        asked = [*answered.values()]
        verdict = judge(asked, stored)
        if self._seen != stored:
            verdict += judge(asked, self._seen)
        keys = {event_id: question.key for event_id, question in answered.items()}
        # An agent has no power in a room of several to remove a person's 🔁, and others react there too.
        senders = {event["event_id"]: event["sender"] for event in history}
        reactions = [
            (keys.get(target), key)
            for event, (target, key) in room.reactions.items()
            if not self.said_to_all or senders[event] == self.ghost
        ]
        return verdict + judge_reactions(asked, reactions), len(stored)

    @property
    def _seen(self) -> list[Shown]:
        """The agent's messages in the person's client."""
        return self._shown(self.person.room(self.room_id))

    def _shown(self, room: Room) -> list[Shown]:
        questions = {turn_key(event, self.localpart): each.key for event, each in self.answered.items()}
        roots = {each.event_id: each.question.key for each in self.said_to_all or self.said}
        return [Shown.of(message, questions, roots) for message in room.said_by(self.ghost)]

    async def _insist(self, person: Person, path: str, body: Mapping[str, Any]) -> str:
        """Send an event once; return the event's id."""
        return await insist(person, self.room_id, path, body)


def in_thread(root: Said) -> dict[str, Any]:
    """Return the fields of an event in the thread of *root*."""
    relation = {
        "rel_type": "m.thread",
        "event_id": root.event_id,
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": root.event_id},
    }
    return {"m.relates_to": relation}


async def insist(person: Person, room_id: str, path: str, body: Mapping[str, Any]) -> str:
    """Send an event once: repeat the request until the homeserver accepts it; return the event's id."""
    while True:
        try:
            answer = await person.ask("PUT", f"/rooms/{quote(room_id, safe='')}/{path}", body)
        except HomeserverUnavailable:
            await asyncio.sleep(_AGAIN)
        else:
            return str(answer["event_id"])


async def enter(
    database: Database,
    config: Config,
    people: tuple[Person, ...],
    count: int,
    *,
    interrupt_every: int = 0,
    upstream: str | None = None,
) -> list[Spot]:
    """Wait until *count* agents have rooms, and let the invited *people* join them; sort by agents' names.

    The agents are those of *upstream* (None: all). In every *interrupt_every*-th room (0: in none), a new message
    interrupts the answer that is given.
    """
    agents = Agents(database)

    async def listed() -> list[AgentRoom]:
        return [each for each in await agents.all() if upstream in {None, each.agent.upstream}]

    async def settled() -> bool:
        found = await listed()
        return sum(bool(each.home.bot_joined and each.home.name_applied) for each in found) == count

    await eventually(settled, "every agent has a room", SETTLED_WITHIN)
    spots = []
    contacts = sorted(await listed(), key=lambda each: each.agent.name)
    for number, contact in enumerate(contacts, 1):
        room_id, ghost = contact.home.room_id or "", contact.agent.ghost
        for person in people:
            await join(person, room_id)
        interrupts = bool(interrupt_every) and number % interrupt_every == 0
        if interrupts:
            await Rooms(database).set_when_busy(room_id, WhenBusy.INTERRUPT)
        model = contact.agent.agent_id
        spots.append(Spot(room_id, ghost, config.namespace.user_id(ghost), model, people, interrupts))
    return spots


async def begin_direct(spot: Spot) -> Spot:
    """Have the first person of *spot* begin a direct chat with its agent; return the room of that."""
    room_id = await spot.person.create_dm(spot.ghost)
    await spot.person.wait_for(lambda: spot.ghost in spot.person.room(room_id).members(), SETTLED_WITHIN)
    return Spot(room_id, spot.localpart, spot.ghost, spot.model, (spot.person,))


async def join(person: Person, room_id: str) -> None:
    """Have *person* accept an invitation."""
    await person.wait_for(lambda: room_id in person.invites, SETTLED_WITHIN)
    await person.join(room_id)
    await person.wait_for(lambda: room_id in person.rooms)
