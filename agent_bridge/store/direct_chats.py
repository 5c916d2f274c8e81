"""Direct chats: the rooms of kind *dm*, in the table ``room``. A person and an agent have at most one that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("direct_chats")


class DirectChatStore:
    """Writes and ends direct chats; :class:`~agent_bridge.store.chats.Chats` reads them and records their state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def admit(self, room_id: str, agent: int, person: str, seen: str) -> int | None:
        """Make *room_id*, into which *person* has invited the ghost of *agent*, their direct chat if they have none.

        *seen* is the invitation: the events behind it are taken in, before its lanes go on. Return the row id of the
        direct chat that they have then; None if they have none, because the room is known as another one.
        """
        values = {"room_id": room_id, "agent": agent, "person": person, "seen": seen}
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["admit"], values)
            return await self._of_pair(connection, agent, person)

    async def open(self, agent: int, person: str, key: str) -> int | None:
        """Write the direct chat *key* of *agent* and *person*, which the bridge is to make, if they have none.

        Return the row id of the direct chat that they have then. None: the ghost has yet to leave the former one.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["open"], {"agent": agent, "person": person, "key": key})
            return await self._of_pair(connection, agent, person)

    async def adopt(self, room_id: str, ghost: str, person: str, seen: str) -> None:
        """Write the direct chat of *ghost* (localpart) and *person* that was found on the homeserver.

        The events up to *seen* are known. A known room stays as it is, and so does another direct chat of the two.
        """
        values = {"room_id": room_id, "ghost": ghost, "person": person, "seen": seen}
        await self._database.execute(_SQL["adopt"], values)

    async def of_pair(self, agent: int, person: str) -> int | None:
        """Return the row id of the direct chat of *agent* and *person*; None without one."""
        async with self._database.transaction() as connection:
            return await self._of_pair(connection, agent, person)

    async def rooms_of(self, person: str) -> dict[int, str]:
        """Return the rooms of the direct chats of *person*, by the row id of the agent."""
        rows = await self._database.rows(_SQL["rooms_of"], {"person": person})
        return {row["owner"]: row["room_id"] for row in rows}

    async def end(self, chat: int) -> None:
        """Let a direct chat not count any more, and have the ghost leave it."""
        await self._database.execute(_SQL["end"], {"chat": chat})

    async def introduced(self, chat: int) -> None:
        """Record that the agent has introduced itself in a direct chat."""
        await self._database.execute(_SQL["introduced"], {"chat": chat})

    @staticmethod
    async def _of_pair(connection: Connection, agent: int, person: str) -> int | None:
        found = await rows_of(connection, _SQL["of_pair"], {"agent": agent, "person": person})
        return int(found[0]["id"]) if found else None
