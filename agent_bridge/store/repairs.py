"""The rooms that a repair compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("repairs")


@dataclass(frozen=True, slots=True)
class ComparedRoom:
    """A home or a chat."""

    #: Row id of the agent, for a home; of the room, for a chat.
    id: int
    #: Name of the agent.
    agent: str
    room_id: str | None
    #: Number of a chat.
    number: int | None = None


class ComparedRooms:
    """Lists the rooms that a repair compares, in the order of their row ids."""

    def __init__(self, database: Database, *, private: bool) -> None:
        self._database = database
        self._private = private

    async def homes(self, agent: int | None) -> list[ComparedRoom]:
        """Return the homes of the active agents, or of the one with row id *agent*."""
        rows = await self._database.rows(_SQL["homes"], {"agent": agent, "private": self._private})
        return [ComparedRoom(row["id"], row["name"], row["room_id"]) for row in rows]

    async def chats(self, agent: int | None) -> list[ComparedRoom]:
        """Return the chats that the bridge has made, or those with the agent with row id *agent*."""
        rows = await self._database.rows(_SQL["chats"], {"agent": agent})
        return [ComparedRoom(row["id"], row["name"], row["room_id"], row["number"]) for row in rows]
