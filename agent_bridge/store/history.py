"""Rooms whose history is compared with what the homeserver handed over, and how far that is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.errors import StoreError
from agent_bridge.core.rooms import HistoryCursor

if TYPE_CHECKING:
    from typing import LiteralString

    from agent_bridge.store.database import Connection, Database

# A sequence that has not given a number yet shows the one that it will give first.
_LAST_PLACE: LiteralString = "(SELECT last_value - (NOT is_called)::integer FROM turn_position_seq)"
# The end of an update of one room, which tells if the room's lanes may go on since.
_RELEASE: LiteralString = """
FROM (SELECT room_id, needs_backfill FROM room WHERE room_id = %s FOR UPDATE) AS before
WHERE room.room_id = before.room_id
RETURNING CASE WHEN before.needs_backfill AND NOT room.needs_backfill THEN pg_notify('agent_bridge', 'lanes') END
"""


class Histories:
    """The table ``room``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watch(self, room_id: str, seen: str) -> HistoryCursor:
        """Have a room compared from now on; what matters came after the event *seen*."""
        row = await self._database.row(
            f"""
            INSERT INTO room (room_id, last_seen, needs_backfill, backfilled_at) VALUES (%s, %s, false, now())
            ON CONFLICT (room_id) DO UPDATE SET last_seen = EXCLUDED.last_seen
            RETURNING {_LAST_PLACE} AS position, backfill_requests
            """,
            (room_id, seen),
        )
        if row is None:
            raise StoreError(f"the room {room_id} was not recorded")
        return HistoryCursor(room_id, None, seen, row["position"], row["backfill_requests"])

    async def require_backfill(self) -> None:
        """Hold all lanes until their rooms are compared: something may be missed in any of them."""
        await self._database.execute(
            "UPDATE room SET needs_backfill = true, backfill_requests = backfill_requests + 1 "
            "RETURNING pg_notify('agent_bridge', 'backfill')"
        )

    async def schedule_backfill(self) -> None:
        """Have all rooms compared next; their lanes go on meanwhile."""
        await self._database.execute(
            "UPDATE room SET backfilled_at = NULL WHERE backfilled_at IS NOT NULL "
            "RETURNING pg_notify('agent_bridge', 'backfill')"
        )

    async def due(self, interval: float, limit: int) -> list[HistoryCursor]:
        """Return up to *limit* rooms to compare: suspect ones, then those last compared *interval* seconds ago.

        Of the suspect ones, those in which somebody waits come first.
        """
        rows = await self._database.rows(
            f"""
            SELECT r.room_id, r.last_seen, r.backfill_requests, a.ghost, {_LAST_PLACE} AS position
            FROM room r LEFT JOIN portal p ON p.room_id = r.room_id LEFT JOIN agent a ON a.id = p.agent
            WHERE r.needs_backfill OR r.backfilled_at IS NULL OR r.backfilled_at > now()
               OR r.backfilled_at < now() - make_interval(secs => %s)
            ORDER BY r.needs_backfill DESC, r.needs_backfill AND EXISTS (
                SELECT 1 FROM turn t JOIN conversation c ON c.id = t.conversation
                WHERE c.room_id = r.room_id AND t.state IN ('queued', 'running', 'committed')
            ) DESC, r.backfilled_at NULLS FIRST
            LIMIT %s
            """,
            (interval, limit),
        )
        return [
            HistoryCursor(row["room_id"], row["ghost"], row["last_seen"], row["position"], row["backfill_requests"])
            for row in rows
        ]

    async def backfilled(self, connection: Connection, room: HistoryCursor, seen: str | None) -> None:
        """Record, within the caller's transaction, that nothing is missed in *room* up to *seen*.

        The room's lanes go on, unless something new was suspected since the comparison began.
        """
        await connection.execute(
            f"""
            UPDATE room SET last_seen = %s, needs_backfill = room.needs_backfill AND room.backfill_requests <> %s,
                   backfilled_at = now()
            {_RELEASE}
            """,
            (seen, room.backfill_requests, room.room_id),
        )

    async def pass_over(self, room: HistoryCursor) -> None:
        """Let the lanes of a room go on that cannot be compared."""
        await self._database.execute(
            f"""
            UPDATE room SET needs_backfill = room.needs_backfill AND room.backfill_requests <> %s, backfilled_at = now()
            {_RELEASE}
            """,
            (room.backfill_requests, room.room_id),
        )
