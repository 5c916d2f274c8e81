"""Has rooms show the names of threads that they do not show yet. A duty of the leader."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverError
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.collaboration.threads import Threads
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: Threads that one look takes.
_AT_ONCE = 50
_RETRY = Backoff(first=1, cap=300)


class ThreadKeeper:
    """Shows threads whose request was interrupted, and those that a message took out of the archive."""

    def __init__(self, threads: Threads, signals: Signals) -> None:
        self._threads = threads
        self._signals = signals
        #: How often each thread failed in a row, and when it may be tried again, by a monotonic clock.
        self._failures: dict[int, int] = {}
        self._later: dict[int, float] = {}

    async def run(self) -> None:
        """Show threads until cancelled."""
        with self._signals.subscription(Topic.THREADS) as wake:
            await every(FALLBACK, self.keep, name="threads", wake=wake)

    async def keep(self) -> float | None:
        """Show the threads that are due; return the seconds until one may be tried again.

        Raises:
            StoreError: the next call goes on.
        """
        while True:
            now = time.monotonic()
            self._later = {thread: at for thread, at in self._later.items() if at > now}
            due = await self._threads.due(_AT_ONCE, set(self._later))
            for thread in due:
                await self._attempt(thread)
            if not due:
                return min(self._later.values()) - now if self._later else None

    async def _attempt(self, thread: int) -> None:
        try:
            await self._threads.show(thread, again=True)
        except HomeserverError as error:
            failures = self._failures[thread] = self._failures.get(thread, 0) + 1
            self._later[thread] = time.monotonic() + _RETRY.delay(failures)
            log = _log.warning if failures == 1 else _log.debug
            log("the name of a thread is not shown yet", thread=thread, error=str(error))
        else:
            self._failures.pop(thread, None)
