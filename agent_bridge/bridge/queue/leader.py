"""Leader: of all processes on one database, one at a time has the duties that are not a lane's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FailureLog
from agent_bridge.core.errors import StoreError
from agent_bridge.store.locks import LEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from agent_bridge.store.locks import Locks

    Duty = Callable[[], Coroutine[Any, Any, None]]

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two tries to become the leader.
_TRY = 1.0


class Leader:
    """Carries out *duties* while it is this process that leads; *elected* comes first, each time."""

    def __init__(self, locks: Locks, elected: Duty, duties: Sequence[Duty]) -> None:
        self._locks = locks
        self._elected = elected
        self._duties = duties
        #: Set once it is known whether another process leads, and if none does, after *elected*.
        self.settled = asyncio.Event()

    async def run(self) -> None:
        """Lead, or stand by, until cancelled."""
        grumble = FailureLog(_log, "cannot lead")
        while True:
            try:
                async with self._locks.hold(LEADER, 0) as held:
                    if held:
                        await self._lead()
                self.settled.set()
            except StoreError as error:
                grumble.over(error)
            else:
                grumble.well()
            await asyncio.sleep(_TRY)

    async def _lead(self) -> None:
        await self._elected()
        _log.info("leading: discovers agents and compares rooms")
        self.settled.set()
        async with asyncio.TaskGroup() as group:
            for duty in self._duties:
                group.create_task(duty())
