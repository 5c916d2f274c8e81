"""Transcripts: the messages that a conversation has, for upstreams that do not remember it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.rooms import KindName
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
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

    async def caught_up(self, lane: int) -> str | None:
        """Return the event up to which the agent of *lane* has the messages of its room; None: it has none."""
        row = await self._database.row(_SQL["caught_up"], {"lane": lane})
        return None if row is None else row["caught_up"]

    async def room_kind(self, lane: int) -> KindName | None:
        """Return the kind of the room of *lane*; None if the bridge does not know the room."""
        row = await self._database.row(_SQL["room_kind"], {"lane": lane})
        return None if row is None else KindName(row["kind"])

    async def agents(self, room_id: str) -> dict[str, str]:
        """Return the names of the agents that are, or were, in a room, by the localparts of their ghosts."""
        rows = await self._database.rows(_SQL["agents"], {"room_id": room_id})
        return {row["ghost"]: row["name"] for row in rows}

    async def not_heard(self, lane: int, events: Sequence[str]) -> frozenset[str]:
        """Return those of *events* that the agent of *lane* must not get as messages to others.

        It has them, or gets them as questions; or they are commands, or redacted.
        """
        rows = await self._database.rows(_SQL["not_heard"], {"lane": lane, "events": list(events)})
        return frozenset(row["event_id"] for row in rows)

    async def erased(self, users: Collection[str]) -> dict[str, float]:
        """Return the times, in milliseconds since 1970, at which those of *users* were erased whose data are."""
        rows = await self._database.rows(_SQL["erased"], {"users": list(users)})
        return {row["user_id"]: row["at"] for row in rows}

    async def _last(self, query: LiteralString, lane: int, limit: int) -> list[ChatMessage]:
        rows = await self._database.rows(query, {"lane": lane, "limit": limit})
        return [ChatMessage(row["role"], row["content"]) for row in reversed(rows)]
