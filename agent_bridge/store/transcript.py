"""Transcripts: the messages that a conversation has, for upstreams that do not remember it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.transcript import ChatMessage
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from typing import LiteralString

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("transcript")


class Transcripts:
    """The table ``message``. :meth:`agent_bridge.store.turns.Turns.commit` adds to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_lane(self, lane: int, limit: int) -> list[ChatMessage]:
        """Return the last *limit* messages of a lane, oldest first."""
        return await self._last(_SQL["of_lane"], lane, limit)

    async def is_forgotten(self, lane: int, upstream: str) -> bool:
        """Tell whether *upstream* may have been restarted since the last message of the lane."""
        row = await self._database.row(_SQL["is_forgotten"], {"lane": lane, "upstream": upstream})
        return row is not None and bool(row["forgotten"])

    async def of_room(self, lane: int, limit: int) -> list[ChatMessage]:
        """Return the last *limit* messages that the agent of *lane* has in the room itself, oldest first."""
        return await self._last(_SQL["of_room"], lane, limit)

    async def _last(self, query: LiteralString, lane: int, limit: int) -> list[ChatMessage]:
        rows = await self._database.rows(query, {"lane": lane, "limit": limit})
        return [ChatMessage(row["role"], row["content"]) for row in reversed(rows)]
