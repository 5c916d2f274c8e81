"""The position up to which each room's history is compared with the events that the homeserver delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.rooms import HistoryCursor
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("history")


class Histories:
    """The columns of the table ``room`` that are about backfills."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def require_backfill(self) -> None:
        """Hold all lanes until their rooms are compared: events may be missing in any of them."""
        await self._database.execute(_SQL["require_backfill"])

    async def holds_all(self) -> bool:
        """Tell whether the lanes of all rooms are held until their rooms are compared."""
        return not await self._database.rows(_SQL["not_held"])

    async def require_backfill_of(self, connection: Connection, room_id: str) -> bool:
        """Hold the lanes of a room until it is compared, within the caller's transaction; tell whether it is known."""
        cursor = await connection.execute(_SQL["require_backfill_of"], {"room_id": room_id})
        return await cursor.fetchone() is not None

    async def schedule_backfill(self) -> None:
        """Have all rooms compared next, without holding their lanes."""
        await self._database.execute(_SQL["schedule_backfill"])

    async def due(self, interval: float, limit: int) -> list[HistoryCursor]:
        """Return up to *limit* rooms to compare: those that hold their lanes, those with open turns first.

        Then come those that were not compared for *interval* seconds.
        """
        rows = await self._database.rows(_SQL["due"], {"interval": interval, "limit": limit})
        return [HistoryCursor(**{**row, "ghosts": tuple(row["ghosts"])}) for row in rows]

    async def backfilled(self, connection: Connection, room: HistoryCursor, seen: str | None) -> None:
        """Record, within the caller's transaction, that no event is missing in *room* up to *seen*.

        The room's lanes go on, unless another backfill was requested since the comparison began.
        """
        await connection.execute(_SQL["backfilled"], _values(room, seen))

    async def nothing_missing(self, room: HistoryCursor, seen: str | None) -> None:
        """Do the same as :meth:`backfilled`, of a room without new events, by one statement."""
        await self._database.execute(_SQL["backfilled"], _values(room, seen))

    async def pass_over(self, room: HistoryCursor) -> None:
        """Let the lanes of a room go on that cannot be compared."""
        await self._database.execute(_SQL["pass_over"], {"room_id": room.room_id, "requests": room.backfill_requests})


def _values(room: HistoryCursor, seen: str | None) -> dict[str, object]:
    return {"room_id": room.room_id, "seen": seen, "requests": room.backfill_requests}
