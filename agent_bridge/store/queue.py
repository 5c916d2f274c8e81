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

    async def hurry(self) -> None:
        """End the waiting of every turn that was put back, and of the jobs that were to take them up."""
        await self._database.execute(
            """
            WITH hurried AS (UPDATE turn SET not_before = NULL WHERE not_before > now())
            DELETE FROM procrastinate_jobs WHERE queue_name = %s AND status = 'todo' AND scheduled_at > now()
            """,
            (QUEUE,),
        )

    async def idle_lanes(self) -> list[int]:
        """Return the lanes that have an open turn and no job that would take it up, longest waiting first."""
        rows = await self._database.rows(
            """
            SELECT conversation FROM turn t
            WHERE state IN ('queued', 'running', 'answered')
              AND NOT EXISTS (
                  SELECT 1 FROM procrastinate_jobs j
                  WHERE j.lock = 'lane-' || t.conversation AND j.status IN ('todo', 'doing')
              )
            GROUP BY conversation ORDER BY min(id)
            """
        )
        return [row["conversation"] for row in rows]
