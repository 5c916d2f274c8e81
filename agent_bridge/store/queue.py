"""The queue's tables beside the lanes' turns and locks: statements that the queue's library does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.locks import LANE

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import LiteralString

    from agent_bridge.store.database import Database

#: Name of the queue of the lanes' jobs.
QUEUE = "lanes"
#: The channel on which procrastinate, and the trigger of the migrations, tell that a job of this queue can start.
JOB_CHANNEL = f"procrastinate_queue_v1#{QUEUE}"

# `waits_since` lies in the future only if the clock was set back: the head may be taken up then.
_LOOK: LiteralString = """
WITH head AS (
    SELECT DISTINCT ON (conversation) conversation, position, not_before, waits_since FROM turn
    WHERE state IN ('queued', 'running', 'committed') ORDER BY conversation, position
), lane AS (
    SELECT head.conversation AS id, head.position,
           CASE WHEN head.waits_since > now() THEN 0
                ELSE greatest(0, coalesce(extract(epoch FROM head.not_before - now()), 0)) END AS seconds
    FROM head JOIN conversation c ON c.id = head.conversation
    WHERE c.thread_id = '!' OR NOT EXISTS (SELECT 1 FROM room r WHERE r.room_id = c.room_id AND r.needs_backfill)
), job AS (
    SELECT id, lock, status, (args ->> 'lane')::bigint %% 2147483648 AS key
    FROM procrastinate_jobs WHERE queue_name = %(queue)s AND status IN ('todo', 'doing')
)
SELECT ARRAY(
           SELECT id FROM job WHERE status = 'doing' AND NOT EXISTS (
               SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
               WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted
                 AND l.classid = %(kind)s::bigint AND l.objsubid = 2 AND l.objid = job.key)
       ) AS orphans,
       ARRAY(
           SELECT id FROM lane WHERE seconds = 0 AND NOT EXISTS (SELECT 1 FROM job WHERE job.lock = 'lane-' || lane.id)
           ORDER BY position
       ) AS idle,
       EXISTS (SELECT 1 FROM job) AS busy,
       EXISTS (
           SELECT 1 FROM job WHERE status = 'todo'
             AND NOT EXISTS (SELECT 1 FROM job ahead WHERE ahead.lock = job.lock AND ahead.status = 'doing')
       ) AS startable,
       (SELECT min(seconds)::float FROM lane WHERE seconds > 0) AS due_in
"""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The jobs and lanes that need attention."""

    #: Jobs that count as running while no process holds their lane's lock. A job is one for a moment as it starts and
    #: as it ends; one that stays an orphan lost its worker.
    orphans: frozenset[int]
    #: Lanes whose head may be taken up and that have no job, the longest waiting first.
    idle: tuple[int, ...]
    #: Whether there are jobs, and whether one of them can start.
    busy: bool
    startable: bool
    #: Seconds until the next head that waits for its time may be taken up; None when none waits.
    due_in: float | None


class Queue:
    """Procrastinate's table of jobs, beside the lanes' locks and turns. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self) -> QueueState:
        """Return the jobs and lanes that need attention, by one statement."""
        (row,) = await self._database.rows(_LOOK, {"queue": QUEUE, "kind": LANE})
        return QueueState(**{**row, "orphans": frozenset(row["orphans"]), "idle": tuple(row["idle"])})

    async def remove(self, jobs: Collection[int]) -> None:
        """Delete *jobs*; jobs that wait for their lanes may start."""
        await self._database.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", (list(jobs),))

    async def retry_now(self) -> None:
        """Make every turn due that was put back for another reason than a failure of its upstream."""
        await self._database.execute(
            """
            UPDATE turn SET not_before = NULL
            WHERE not_before IS NOT NULL AND failures = 0 AND state IN ('queued', 'running', 'committed')
            RETURNING pg_notify('agent_bridge', 'lanes')
            """
        )
