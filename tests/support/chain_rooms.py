"""Rooms of agents that ask each other."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.bot_rooms import named_upstream
from support.conditions import eventually
from support.harness import DOMAIN
from support.scripted_upstream import ScriptedUpstream
from support.turns import until_no_turn_is_open

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Mapping

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message, Room
    from agent_bridge.store.postgres.database import Database
    from support.harness import BridgeHarness
    from support.person import Person

BOT = f"@agentbridge:{DOMAIN}"
CHAIN = "org.agent_bridge.chain"


class MutualUpstream(ScriptedUpstream):
    """Its agents always mention the next one, unless a script is left."""

    def __init__(self, *names: str) -> None:
        named = named_upstream(*names)
        super().__init__()
        self.models = named.models
        #: Each answer takes one; None: no limit.
        self.permits: asyncio.Semaphore | None = None

    async def reply(self, question: Mapping[str, Any]) -> AsyncIterator[object]:
        """Mention the next agent."""
        if self.scripts:
            async for piece in super().reply(question):
                yield piece
            return
        if self.permits is not None:
            await self.permits.acquire()
        names, ids = self.names, [model["id"] for model in self.models]
        yield f"Your turn, @{names[(ids.index(question['model']) + 1) % len(ids)]}!"


@dataclass(frozen=True)
class ChainRoom:
    """A room of a person with agents, and the database of its bridge."""

    person: Person
    database: Database
    room_id: str
    #: User ids by the names of the agents.
    ghosts: dict[str, str] = field(default_factory=dict)

    @property
    def room(self) -> Room:
        """The room as the person sees it."""
        return self.person.room(self.room_id)

    def answers(self, root: str | None = None) -> list[Message]:
        """Return the messages of the agents, oldest first; *root*: those that this message led to."""
        said = [message for message in self.room.messages.values() if message.sender in self.ghosts.values()]
        return [each for each in said if root is None or each.content.get(CHAIN, {}).get("root") == root]

    def notices(self) -> list[Message]:
        """Return the messages in which the bot asks people, oldest first."""
        return [message for message in self.room.said_by(BOT) if "👍" in message.body]

    async def settled(self, answers: int, notices: int) -> None:
        """Wait until there are as many messages, and nothing is left to do; there are no more then."""
        await self.person.wait_for(lambda: len(self.answers()) >= answers and len(self.notices()) >= notices)
        await self.idle()
        assert (len(self.answers()), len(self.notices())) == (answers, notices)

    async def idle(self) -> None:
        """Wait until no turn is open, and until the person has seen everything."""
        await until_no_turn_is_open(self.database, 60)
        last = await self.person.say(self.room_id, "that was all")
        await self.person.wait_for(lambda: last in self.room.messages)

    async def react(self, event_id: str, key: str, person: Person | None = None) -> str:
        """Have a person react to an event; return the event of the reaction."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await (person or self.person).send(self.room_id, "m.reaction", {"m.relates_to": relation})

    async def handled(self, event_id: str) -> None:
        """Wait until the bridge has taken an event in."""

        async def known() -> bool:
            query = (
                "SELECT 1 FROM ignored WHERE event_id = %(event)s UNION SELECT 1 FROM turn WHERE event_id = %(event)s"
            )
            return bool(await self.database.rows(query, {"event": event_id}))

        await eventually(known, "the bridge has the event")


def lobby_alias(person: Person) -> str:
    """Return the alias of the room of *person* that becomes the lobby."""
    return f"#chain-{person.user_id[1:].partition(':')[0]}:{DOMAIN}"


def chain_config(
    harness: BridgeHarness, database: str, upstream: ScriptedUpstream, person: Person, **more: Any
) -> Config:
    """Return the configuration of a bridge whose lobby is the room of *person*."""
    there = [{"name": "u", "url": upstream.url}]
    return harness.config(database, there, rooms={"lobby": lobby_alias(person)}, **more)


async def make_room(person: Person) -> str:
    """Make the room that becomes the lobby, before the bridge runs; return its id."""
    alias = lobby_alias(person)[1:].partition(":")[0]
    room_id = await person.create_room(preset="public_chat", room_alias_name=alias)
    await person.invite(room_id, BOT)
    return room_id


async def entered(person: Person, database: Database, room_id: str, upstream: ScriptedUpstream) -> ChainRoom:
    """Wait until all agents are in the room, and return it."""
    names = upstream.names

    async def participants() -> dict[str, str] | None:
        query = """
            SELECT a.name, a.ghost FROM participant p JOIN room r ON r.id = p.room JOIN agent a ON a.id = p.agent
            WHERE r.kind = 'lobby' AND p.state = 'joined'"""
        rows = await database.rows(query)
        return {row["name"]: f"@{row['ghost']}:{DOMAIN}" for row in rows} if len(rows) == len(names) else None

    ghosts = await eventually(participants, "all agents are in the lobby")
    await person.wait_for(lambda: person.room(room_id).members() >= {*ghosts.values()})
    return ChainRoom(person, database, room_id, ghosts)


@asynccontextmanager
async def chain_room(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, person: Person, **budgets: int
) -> AsyncIterator[ChainRoom]:
    """Run a bridge with *budgets*, and give the room of *person* with its agents."""
    room_id = await make_room(person)
    config = chain_config(harness, database_url, upstream, person, budgets=budgets)
    async with harness.bridge(config) as running:
        yield await entered(person, running.database, room_id, upstream)
