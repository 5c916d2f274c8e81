"""The people of a month: each with a client, a chat with the bot, and the answers that agents owe them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.harness import DOMAIN

if TYPE_CHECKING:
    from agent_bridge.demo.timeline import Message
    from support.month import Month
    from support.person import Person

BOT = f"@agentbridge:{DOMAIN}"
_WITHIN = 30.0


class Resident:
    """A person with a client and a chat with the bot."""

    def __init__(self, month: Month, person: Person) -> None:
        self._month = month
        self.person = person
        self.user_id = person.user_id
        self.desk = ""

    async def begin(self) -> None:
        """Begin a chat with the bot."""
        self.desk = await self.person.create_dm(BOT)
        await self.person.wait_for(lambda: self.said(self.desk))

    def said(self, room_id: str, user_id: str = BOT) -> list[Message]:
        """Return the messages of a user in a room."""
        return self.person.room(room_id).said_by(user_id)

    async def tell(self, text: str, room_id: str = "", *, until: str = "") -> str:
        """Give an order, by default in the chat with the bot; return the reply, once it contains *until*."""
        room_id = room_id or self.desk
        before = len(self.said(room_id))
        await self.person.say(room_id, text)

        def reply() -> str | None:
            bodies = [each.body for each in self.said(room_id)[before:]]
            return next((each for each in bodies if until in each and not each.endswith("…")), None)

        return str(await self.person.wait_for(reply, _WITHIN))

    async def enter(self, agent: str) -> str:
        """Enter the room of an agent from the Space; return the room."""
        room_id = await self._month.room(agent)
        await self.person.join(room_id)
        await self.person.wait_for(lambda: room_id in self.person.rooms)
        return room_id

    async def accept(self, room_id: str) -> None:
        """Accept an invitation."""
        await self.person.wait_for(lambda: room_id in self.person.invites, _WITHIN)
        await self.person.join(room_id)
        await self.person.wait_for(lambda: room_id in self.person.rooms)

    async def say(self, agent: str, text: str) -> str:
        """Ask an agent in its room, which is to answer once; return the event."""
        room_id, ghost = await self._month.room(agent), await self._month.ghost(agent)
        self._month.due[room_id, ghost].append(f"Echo: {text}")
        return await self.person.say(room_id, text)

    async def ask(self, agent: str, text: str) -> None:
        """Ask an agent in its room, and wait until the answers there are those that are due."""
        await self.say(agent, text)
        await self.answered(agent)

    async def answered(self, agent: str) -> None:
        """Wait until an agent has given all answers in its room."""
        key = (await self._month.room(agent), await self._month.ghost(agent))
        wanted = self._month.due[key]
        await self.person.wait_for(lambda: words_of(self.said(*key)) == wanted, _WITHIN)

    async def refused(self, agent: str, text: str) -> str:
        """Ask an agent that does not answer; return the event, once it has the mark of a message without an answer."""
        room_id = await self._month.room(agent)
        event_id = await self.person.say(room_id, text)
        await self.person.wait_for(lambda: "⚠️" in self.person.room(room_id).reactions_to(event_id), _WITHIN)
        return event_id


def words_of(messages: list[Message]) -> list[str]:
    """Return the texts of the answers in *messages*: no notices, and nothing that was imported."""
    return [each.body for each in messages if each.content.get("msgtype") == "m.text"]
