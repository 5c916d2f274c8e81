"""What the queue's own library does not ask its tables: which lanes nobody works off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.locks import LANE

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.store.database import Database

#: Name of the queue that the lanes' jobs stand in.
QUEUE = "lanes"


class Queue:
    """Procrastinate's table of jobs, beside the lanes' locks and turns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def orphans(self) -> set[int]:
        """Return the jobs that count as running while nobody holds their lane's lock.

        A job is one for a moment as it starts and as it ends; one that stays an orphan lost its worker.
        """
        rows = await self._database.rows(
            """
            SELECT j.id FROM procrastinate_jobs j
            WHERE j.queue_name = %s AND j.status = 'doing' AND NOT EXISTS (
                SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted
                  AND l.classid = %s::bigint AND l.objsubid = 2
                  AND l.objid = ((j.args ->> 'lane')::bigint %% 2147483648)
            )
            """,
            (QUEUE, LANE),
        )
        return {row["id"] for row in rows}

    async def remove(self, jobs: Collection[int]) -> None:
        """Take *jobs* out of the queue; what waits for their lanes may start."""
        await self._database.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", (list(jobs),))

    async def retry_now(self) -> None:
        """End the waiting of every turn that was put back for another reason than its upstream."""
        await self._database.execute(
            """
            UPDATE turn SET not_before = NULL
            WHERE not_before IS NOT NULL AND failures = 0 AND open
            """
        )

    async def idle_lanes(self) -> list[int]:
        """Return the lanes whose head may be taken up and that have no job for it, longest waiting first."""
        rows = await self._database.rows(
            """
            SELECT head.conversation FROM (
                SELECT DISTINCT ON (conversation) conversation, position, not_before, waits_since FROM turn
                WHERE open ORDER BY conversation, position
            ) AS head JOIN conversation c ON c.id = head.conversation LEFT JOIN room r ON r.room_id = c.room_id
            WHERE (head.not_before IS NULL OR head.not_before <= now() OR head.waits_since > now())
              AND NOT (coalesce(r.needs_backfill, false) AND (c.lane_kind = 'agent' OR r.kind = 'bot'))
              AND NOT EXISTS (
                  SELECT 1 FROM procrastinate_jobs j
                  WHERE j.lock = 'lane-' || head.conversation AND j.status IN ('todo', 'doing')
              )
            ORDER BY head.position
            """
        )
        return [row["conversation"] for row in rows]
