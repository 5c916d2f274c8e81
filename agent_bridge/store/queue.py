"""The queue's tables beside the lanes' turns and locks: statements that the queue's library does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.locks import LANE
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("queue")
#: Names of the queue of the lanes' jobs, and of their task.
QUEUE, TASK = "lanes", "lane"
#: The channel on which procrastinate, and the trigger of the migrations, tell that a job of this queue can start.
JOB_CHANNEL = f"procrastinate_queue_v1#{QUEUE}"


@dataclass(frozen=True, slots=True)
class QueueState:
    """The jobs and lanes that need attention."""

    #: Jobs that count as running while no process holds their lane's lock. A job is one for a moment as it starts and
    #: as it ends; one that stays an orphan lost its worker.
    orphans: frozenset[int]
    #: Lanes whose head may be claimed and that have no job, the longest waiting first.
    idle: tuple[int, ...]
    #: Whether there are jobs, and whether one of them can start.
    busy: bool
    startable: bool
    #: Seconds until the next head that waits for its time may be claimed; None when none waits.
    due_in: float | None


class Queue:
    """Procrastinate's table of jobs, beside the lanes' locks and turns. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self) -> QueueState:
        """Return the jobs and lanes that need attention, by one statement."""
        (row,) = await self._database.rows(_SQL["look"], {"queue": QUEUE, "kind": LANE})
        return QueueState(**{**row, "orphans": frozenset(row["orphans"]), "idle": tuple(row["idle"])})

    async def wake(self, connection: Connection, lanes: Collection[int]) -> None:
        """Put a job for each of *lanes* into the queue, unless one waits there already.

        The job can start once the transaction of *connection* is committed.
        """
        await connection.execute(_SQL["wake"], {"queue": QUEUE, "task": TASK, "lanes": list(lanes)})

    async def remove(self, jobs: Collection[int]) -> None:
        """Delete *jobs*; jobs that wait for their lanes may start."""
        await self._database.execute(_SQL["remove"], {"jobs": list(jobs)})

    async def retry_now(self) -> None:
        """Make every turn due that was put back and has no failure, and never waited for its upstream."""
        await self._database.execute(_SQL["retry_now"])
