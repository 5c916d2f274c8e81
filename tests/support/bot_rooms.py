"""Rooms that a person makes with the bridge bot, and agents with names that the person can choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from agent_bridge.demo.timeline import Message, Room
    from support.harness import Running
    from support.person import Person

#: Names of agents, in the order of a list.
NAMES = ("Ada", "Bea", "Research")


def named_upstream(*names: str) -> ScriptedUpstream:
    """Return an upstream whose agents have *names*."""
    upstream = ScriptedUpstream(*(name.lower() for name in names))
    for model, name in zip(upstream.models, names, strict=True):
        model |= {"name": name, "description": f"knows all about {name}"}
    return upstream


@dataclass(frozen=True)
class BotRoom:
    """A person in a room with the bridge bot."""

    running: Running
    person: Person
    room_id: str

    @property
    def room(self) -> Room:
        """The room as the person sees it."""
        return self.person.room(self.room_id)

    def said(self) -> list[Message]:
        """Return the messages of the bot, oldest first."""
        return self.room.said_by(self.running.homeserver.namespace.bot)

    async def say(self, text: str) -> str:
        """Send *text* and return the event id."""
        return await self.person.say(self.room_id, text)

    async def ask(self, text: str) -> Message:
        """Send *text* and return the answer of the bot."""
        before = len(self.said())
        await self.say(text)
        return await self.answer(before)

    async def answer(self, before: int) -> Message:
        """Wait until the bot has said more than *before* messages, and return the next one."""
        return (await self.person.wait_for(lambda: self.said()[before:]))[0]

    async def answers_of(self, agent: str, count: int) -> list[str]:
        """Wait until *agent* has said *count* messages and no turn of the room is open; return their texts."""
        ghost = self.running.homeserver.namespace.user_id((await self.running.contact(agent)).agent.ghost)
        await self.person.wait_for(lambda: len(self.room.said_by(ghost)) >= count)
        await self.settled()
        return [message.body for message in self.room.said_by(ghost)]

    async def enter_channel(self, command: str) -> str:
        """Have the person make a channel by *command*, and enter it; return its room id.

        The answer links the room: the first command can bring an invitation to the Space, too.
        """
        answer = await self.ask(command)
        assert "is ready" in answer.body
        link = re.search(r"https://matrix\.to/#/(![^?\"]+)", unquote(answer.html or ""))
        assert link is not None, answer.html
        room_id = link[1]
        await self.person.wait_for(lambda: room_id in self.person.invites)
        await self.person.join(room_id)
        await self.person.wait_for(lambda: room_id in self.person.rooms)
        return room_id

    async def settled(self) -> None:
        """Wait until no turn of the room is open."""
        query = """
            SELECT 1 FROM turn t JOIN conversation c ON c.id = t.conversation WHERE c.room_id = %s AND t.open
        """

        async def idle() -> bool:
            return not await self.running.database.rows(query, (self.room_id,))

        await eventually(idle, "every turn of the room is closed")

    async def age_lists(self) -> None:
        """Make the lists that the person was shown eleven minutes old."""
        await self.running.database.execute(
            "UPDATE choice SET shown_at = shown_at - interval '11 minutes' WHERE user_id = %s", (self.person.user_id,)
        )


async def bot_room(running: Running, person: Person, **options: Any) -> BotRoom:
    """Have *person* make a room with the bot, with *options* of the spec's ``createRoom``; wait for the greeting."""
    bot = running.homeserver.namespace.bot
    room_id = await person.create_room(**{"preset": "private_chat", "invite": [bot]} | options)
    room = BotRoom(running, person, room_id)
    await person.wait_for(room.said)
    return room


async def bot_chat(running: Running, person: Person) -> BotRoom:
    """Have *person* begin a direct chat with the bot."""
    return await bot_room(running, person, is_direct=True)
