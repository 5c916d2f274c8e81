"""Statistics of the process, logged on SIGUSR1."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

_log = structlog.stdlib.get_logger(__name__)


class ProcessStats:
    """Memory, tasks and database connections of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listen(self) -> None:
        """Log the statistics on each SIGUSR1 from now on."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._log_stats)

    def _log_stats(self) -> None:
        _log.info("process_stats", **self.measure())

    def measure(self) -> dict[str, int]:
        """Return the peak resident memory in bytes, and the current numbers of tasks and pooled connections."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            # Linux counts kilobytes, macOS bytes.
            "peak_memory": peak if sys.platform == "darwin" else peak * 1024,
            "tasks": len(asyncio.all_tasks()),
            "connections": self._database.pool.get_stats()["pool_size"],
        }
