"""The queue of the lanes' jobs, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.lanes import Lanes
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.queue import Queue

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database


def idle_lanes(database: Database) -> Lanes:
    """Return lanes that no worker processes."""
    return Lanes(database, Queue(database), Signals())


async def woken(database: Database) -> list[int]:
    """Return the lanes that were woken since the last call, by row id."""
    rows = await database.rows("DELETE FROM procrastinate_jobs RETURNING (args ->> 'lane')::bigint AS lane")
    return sorted(row["lane"] for row in rows)
