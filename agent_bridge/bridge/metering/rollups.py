"""Sums for the plots of the admin page are written, while turns end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.periodic import ONLY_WOKEN, every
from agent_bridge.core.backoff import Backoff

if TYPE_CHECKING:
    import asyncio

    from agent_bridge.store.rollups import RollupStore

#: Seconds between two writes at least.
_REST = 60.0
_RETRY = Backoff(first=5, cap=60)


class RollupWriter:
    """A duty of every process that has an admin page, for the turns that the process ends.

    It writes once a minute at most, and only if a turn has ended since: an idle process runs no statement. Each write
    computes the sums from the rows of all processes, so the turns of a process that was killed are in the next one.
    """

    def __init__(self, store: RollupStore, ended: asyncio.Event, *, rest: float = _REST) -> None:
        self._store = store
        #: Set when the process has ended a turn.
        self._ended = ended
        self._rest = rest

    async def run(self) -> None:
        """Write until cancelled: once at the start, for turns that nobody has added up."""
        await every(
            ONLY_WOKEN, self._write, name="sums of the admin page", wake=self._ended, rest=self._rest, retry=_RETRY
        )

    async def _write(self) -> None:
        await self._store.write()
