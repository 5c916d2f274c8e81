"""Tells how far long work of a duty of the leader is, in the table of operations and in the log.

The rows of the work itself show the rest, so nothing is lost with a process: the next leader goes on with the entry,
or ends it when its first look finds nothing left. Work that is over soon has no entry.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.store.operations import OperationStore

_log = structlog.stdlib.get_logger(__name__)

#: Seconds of work before it has an entry, between two changes of the entry, and between two lines of the log.
_LONG, _STORE, _LOG = 3.0, 1.0, 10.0


class TrackedWork:
    """The progress of one kind of work. Pieces that come while it goes on belong to it.

    An entry begins when *least* pieces are left and the work has gone on for three seconds.
    """

    def __init__(
        self, store: OperationStore, kind: str, *, least: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self.kind = kind
        self._least = least
        self._clock = clock
        #: Several pieces may end at the same moment: the end of an entry must not overtake its last change.
        self._order = asyncio.Lock()
        self.begin()

    def begin(self) -> None:
        """Know nothing of earlier work: another process may have led since."""
        self._is_known = False
        #: Since when there is work; None: there is none.
        self._since: float | None = None
        #: Pieces that are done, and those that were not at the last call.
        self._done = self._left = 0
        self._has_entry = False
        self._stored = self._told = 0.0

    async def left(self, left: int, note: str = "", *, failed: int = 0, error: str | None = None) -> None:
        """Tell that *left* pieces of the work are left, now at *note*. *failed* more are not, because of *error*.

        Raises:
            StoreError: the next call tells it.
        """
        async with self._order:
            await self._tell(left, note, failed, error)

    async def _tell(self, left: int, note: str, failed: int, error: str | None) -> None:
        undone = left + failed
        if not self._is_known:
            await self._resume(undone)
        now = self._clock()
        if left and self._since is None:
            self._since, self._done, self._left = now, 0, undone
        self._done += max(0, self._left - undone)
        self._left = undone
        if left == 0:
            await self._end(error)
            return
        total, begun = self._done + undone, now if self._since is None else self._since
        if not self._has_entry and (now - begun < _LONG or total < self._least):
            return
        if not self._has_entry or now - self._stored >= _STORE:
            await self._store.track(self.kind, self._done, total, note)
            self._has_entry, self._stored = True, now
        if now - self._told >= _LOG:
            self._told = now
            _log.info("long work goes on", kind=self.kind, done=self._done, total=total)

    async def _resume(self, undone: int) -> None:
        """Go on with the entry of a process that ended."""
        found = await self._store.tracked(self.kind)
        if found is not None:
            self._since, self._has_entry = self._clock(), True
            self._done, self._left = found[0], undone
        self._is_known = True

    async def _end(self, error: str | None) -> None:
        if self._has_entry:
            if error is not None:
                await self._store.track(self.kind, self._done, self._done + self._left)
            await self._store.end_tracked(self.kind, error)
            _log.info("long work is over", kind=self.kind, done=self._done, error=error)
        self._since, self._has_entry = None, False
