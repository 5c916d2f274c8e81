"""Statistics of the process, logged on SIGUSR1."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from typing import TYPE_CHECKING

import structlog

from agent_bridge.web.loop_watchdog import LoopWatchdog

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

_log = structlog.stdlib.get_logger(__name__)


class ProcessStats:
    """Memory, tasks, database connections and event loop of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: To be entered while the event loop is measured.
        self.watchdog = LoopWatchdog()

    def listen(self) -> None:
        """Log the statistics on each SIGUSR1 from now on."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._log_stats)

    def _log_stats(self) -> None:
        _log.info("process_stats", **self.measure())

    def measure(self) -> dict[str, object]:
        """Return the peak resident memory in bytes, and the current numbers of tasks and pooled connections.

        ``blocked`` is the longest time in seconds that the event loop computed without a pause since the last call,
        and ``blocked_by`` the code.
        """
        longest = self.watchdog.take_longest()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            # Linux counts kilobytes, macOS bytes.
            "peak_memory": peak if sys.platform == "darwin" else peak * 1024,
            "tasks": len(asyncio.all_tasks()),
            "connections": self._database.pool.get_stats()["pool_size"],
            "blocked": round(longest.computed, 3),
            "blocked_by": longest.stack,
        }
