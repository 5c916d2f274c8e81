"""Rooms of people with the ghosts of agents, as the people's clients and the database show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.bot_rooms import BotRoom
from support.conditions import eventually
from support.direct_chats import ghost_of

if TYPE_CHECKING:
    from agent_bridge.demo.timeline import Message
    from support.harness import Running
    from support.person import Person


@dataclass(frozen=True)
class Group(BotRoom):
    """A person in a room with the ghosts of agents."""

    #: User ids, by the names of the agents.
    ghosts: dict[str, str]

    def said_by(self, agent: str) -> list[str]:
        """Return the messages of an agent, oldest first."""
        return [message.body for message in self.messages_of(agent)]

    def messages_of(self, agent: str) -> list[Message]:
        """Return the messages of an agent, oldest first."""
        return self.room.said_by(self.ghosts[agent])

    async def see(self, agent: str, *texts: str) -> None:
        """Wait until no turn of the room is open, and *agent* has said exactly *texts*."""
        await self.person.wait_for(lambda: len(self.said_by(agent)) >= len(texts))
        await self.settled()
        last = await self.say("that was all, @nobody") if not texts else ""
        await self.person.wait_for(lambda: not last or last in self.room.messages)
        # The last edit of an answer may reach the client after the turn is closed.
        await self.person.wait_for(lambda: self.said_by(agent) == [*texts])

    async def tell(self, text: str, *agents: str, person: Person | None = None) -> str:
        """Have a person mention *agents*; return the event."""
        content = {
            "msgtype": "m.text",
            "body": text,
            "m.mentions": {"user_ids": [self.ghosts[each] for each in agents]},
        }
        return await (person or self.person).send(self.room_id, "m.room.message", content)

    async def row(self) -> dict[str, Any] | None:
        """Return the row of the room; None without one."""
        return await self.running.database.row("SELECT * FROM room WHERE room_id = %s", (self.room_id,))

    async def participants(self) -> dict[str, str]:
        """Return the states of the agents, by their user ids."""
        rows = await self.running.database.rows(
            """
            SELECT a.ghost, p.state FROM participant p JOIN room r ON r.id = p.room JOIN agent a ON a.id = p.agent
            WHERE r.room_id = %s
            """,
            (self.room_id,),
        )
        return {self.running.homeserver.namespace.user_id(row["ghost"]): row["state"] for row in rows}

    async def synced(self, **expected: Any) -> dict[str, Any]:
        """Wait until the room is compared, and its row has the values *expected*; return the row."""

        async def applied() -> dict[str, Any] | None:
            row = await self.row()
            if row is None or row["changes"] != row["changes_applied"]:
                return None
            return row if all(row[key] == value for key, value in expected.items()) else None

        return await eventually(applied, f"the room is compared: {expected}")


async def group(running: Running, person: Person, *agents: str, others: tuple[str, ...] = (), **options: Any) -> Group:
    """Have *person* make a room, and invite the ghosts of *agents* and *others*; wait until the ghosts are there."""
    ghosts = {name: await ghost_of(running, name) for name in agents}
    wanted = {"preset": "private_chat", "invite": [*ghosts.values(), *others]} | options
    made = Group(running, person, await person.create_room(**wanted), ghosts)
    await person.wait_for(lambda: made.room.members() >= {*ghosts.values()})
    await made.synced()
    return made
