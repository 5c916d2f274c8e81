"""Direct chats of a person and an agent, as the person's client and the database show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from support.bot_rooms import BotRoom
from support.conditions import eventually

if TYPE_CHECKING:
    from agent_bridge.demo.timeline import Message
    from support.harness import Running
    from support.person import Person


@dataclass(frozen=True)
class DirectChat(BotRoom):
    """A person in a direct chat with the ghost of an agent, which also speaks for the bridge there."""

    #: User id of the agent.
    ghost: str = ""

    def said(self) -> list[Message]:
        """Return the messages of the ghost, oldest first."""
        return self.room.said_by(self.ghost)

    async def answers(self, count: int) -> list[str]:
        """Wait until the ghost has said *count* messages and no turn of the room is open; return their texts."""
        await self.person.wait_for(lambda: len(self.said()) >= count)
        await self.settled()
        return [message.body for message in self.said()]

    async def row(self) -> dict[str, Any] | None:
        """Return the row of the direct chat; None without one."""
        return await self.running.database.row("SELECT * FROM room WHERE room_id = %s", (self.room_id,))

    async def synced(self) -> dict[str, Any]:
        """Wait until the homeserver has the desired state of the direct chat; return its row."""

        async def applied() -> dict[str, Any] | None:
            row = await self.row()
            return row if row is not None and row["changes"] == row["changes_applied"] else None

        return await eventually(applied, "the direct chat is in sync")

    async def ended(self) -> None:
        """Wait until the bridge has forgotten the room, and the ghost is out of it."""

        async def gone() -> bool:
            return await self.row() is None

        await eventually(gone, "the direct chat has ended")

    async def direct_rooms(self) -> list[str]:
        """Return the rooms that the ghost's account data lists as direct chats with the person."""
        listed = await self.running.homeserver.account_data(self.ghost, "m.direct")
        rooms: list[str] = listed.get(self.person.user_id, [])
        return rooms


async def upgrade(person: Person, room_id: str, *users: str) -> str:
    """Have *person* upgrade a room and invite *users* into the new one, as clients do; return its id."""
    new = str((await person.ask("POST", f"/rooms/{quote(room_id)}/upgrade", {"new_version": "12"}))["replacement_room"])
    for user in users:
        await person.invite(new, user)
    await person.wait_for(lambda: new in person.rooms)
    return new


async def ghost_of(running: Running, agent: str) -> str:
    """Return the user id of the agent called *agent*."""
    return running.homeserver.namespace.user_id((await running.contact(agent)).agent.ghost)


async def begin(running: Running, person: Person, agent: str, **options: Any) -> DirectChat:
    """Have *person* invite the ghost of *agent* into a new room, with *options* of the spec's ``createRoom``."""
    ghost = await ghost_of(running, agent)
    wanted = {"preset": "trusted_private_chat", "is_direct": True, "invite": [ghost]} | options
    return DirectChat(running, person, await person.create_room(**wanted), ghost)


async def direct_chat(running: Running, person: Person, agent: str, **options: Any) -> DirectChat:
    """Have *person* begin a direct chat with *agent*, and wait until the bridge has completed it."""
    chat = await begin(running, person, agent, **options)
    await person.wait_for(lambda: chat.ghost in chat.room.members())
    await chat.synced()
    return chat
