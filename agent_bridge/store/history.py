"""Rooms whose history is compared with what the homeserver handed over, and how far that is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.errors import StoreError
from agent_bridge.core.rooms import Watched

if TYPE_CHECKING:
    from typing import LiteralString

    from agent_bridge.store.database import Connection, Database

# A sequence that has not given a number yet shows the one that it will give first.
_LAST_PLACE: LiteralString = "(SELECT last_value - (NOT is_called)::integer FROM turn_place_seq)"


class Rooms:
    """The table ``room``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watch(self, room_id: str, seen: str) -> Watched:
        """Have a room compared from now on; what matters came after the event *seen*."""
        row = await self._database.row(
            f"""
            INSERT INTO room (room_id, seen, suspect, compared_at) VALUES (%s, %s, false, now())
            ON CONFLICT (room_id) DO UPDATE SET seen = EXCLUDED.seen
            RETURNING {_LAST_PLACE} AS place, suspicions
            """,
            (room_id, seen),
        )
        if row is None:
            raise StoreError(f"the room {room_id} was not recorded")
        return Watched(room_id, None, seen, row["place"], row["suspicions"])

    async def suspect_all(self) -> None:
        """Hold all lanes until their rooms are compared: something may be missed in any of them."""
        await self._database.execute("UPDATE room SET suspect = true, suspicions = suspicions + 1")

    async def compare_soon(self) -> None:
        """Have all rooms compared next; their lanes go on meanwhile."""
        await self._database.execute("UPDATE room SET compared_at = NULL WHERE compared_at IS NOT NULL")

    async def due(self, interval: float, limit: int) -> list[Watched]:
        """Return up to *limit* rooms to compare: suspect ones, then those last compared *interval* seconds ago.

        Of the suspect ones, those in which somebody waits come first.
        """
        rows = await self._database.rows(
            f"""
            SELECT r.room_id, r.seen, r.suspicions, a.ghost, {_LAST_PLACE} AS place
            FROM room r LEFT JOIN portal p ON p.room_id = r.room_id LEFT JOIN agent a ON a.id = p.agent
            WHERE r.suspect OR r.compared_at IS NULL OR r.compared_at > now()
               OR r.compared_at < now() - make_interval(secs => %s)
            ORDER BY r.suspect DESC, r.suspect AND EXISTS (
                SELECT 1 FROM turn t JOIN conversation c ON c.id = t.conversation
                WHERE c.room_id = r.room_id AND t.state IN ('queued', 'running', 'answered')
            ) DESC, r.compared_at NULLS FIRST
            LIMIT %s
            """,
            (interval, limit),
        )
        return [Watched(row["room_id"], row["ghost"], row["seen"], row["place"], row["suspicions"]) for row in rows]

    async def compared(self, connection: Connection, room: Watched, seen: str | None) -> None:
        """Record, within the caller's transaction, that nothing is missed in *room* up to *seen*.

        The room's lanes go on, unless something new was suspected since the comparison began.
        """
        await connection.execute(
            """
            UPDATE room SET seen = %s, suspect = suspect AND suspicions <> %s, compared_at = now() WHERE room_id = %s
            """,
            (seen, room.suspicions, room.room_id),
        )

    async def pass_over(self, room: Watched) -> None:
        """Let the lanes of a room go on that cannot be compared."""
        await self._database.execute(
            "UPDATE room SET suspect = suspect AND suspicions <> %s, compared_at = now() WHERE room_id = %s",
            (room.suspicions, room.room_id),
        )
