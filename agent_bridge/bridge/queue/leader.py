"""Leader: of all processes on one database, one at a time runs the duties that are not a lane's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.bridge.queue.supervision import run_endless
from agent_bridge.core.backoff import Backoff
from agent_bridge.store.postgres.locks import LEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

    from agent_bridge.store.postgres.locks import Locks

    Duty = Callable[[], Coroutine[Any, Any, None]]

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two tries to become the leader.
_TRY = 1.0


class Leader:
    """Runs *duties*, by name, while this process leads; *elected* runs first, at each election."""

    def __init__(self, locks: Locks, elected: Duty, duties: Mapping[str, Duty]) -> None:
        self._locks = locks
        self._elected = elected
        self._duties = duties
        #: Set once it is known that another process leads, or that this one does and *elected* has ended.
        self.settled = asyncio.Event()

    async def run(self) -> None:
        """Lead, or stand by, until cancelled."""
        await every(_TRY, self._try, name="leadership", retry=Backoff(first=_TRY, cap=_TRY))

    async def _try(self) -> None:
        async with self._locks.hold(LEADER, 0) as held:
            if held:
                await self._lead()
        self.settled.set()

    async def _lead(self) -> None:
        await self._elected()
        _log.info("this process leads")
        self.settled.set()
        await run_endless(**{name: duty() for name, duty in self._duties.items()})
