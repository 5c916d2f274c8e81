"""Leader: of all processes on one database, one at a time runs the duties that are not a lane's."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.bridge.queue.supervision import run_endless
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.locks import LEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

    from agent_bridge.store.leadership import Leadership
    from agent_bridge.store.postgres.locks import Locks

    Duty = Callable[[], Coroutine[Any, Any, None]]

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two tries to become the leader.
_TRY = 1.0
#: Seconds without a sign of life after which a process counts as frozen, and the signs of the leader in this time.
_FROZEN, _SIGNS = 15.0, 4
#: Seconds for which a room may wait for a backfill before the process counts as not ready.
_LONG_BACKFILL = 120.0


class Leader:
    """Runs *duties*, by name, while this process leads; *elected* runs first, at each election."""

    def __init__(
        self,
        locks: Locks,
        leadership: Leadership,
        elected: Duty,
        duties: Mapping[str, Duty],
        *,
        frozen_after: float = _FROZEN,
    ) -> None:
        self._locks = locks
        self._leadership = leadership
        self._elected = elected
        self._duties = duties
        self._frozen_after = frozen_after
        #: The session of the leader, and since when this process sees it do nothing, by a monotonic clock.
        self._rival: tuple[int, float] | None = None
        #: Sessions of other processes that had given no sign of life at the last look.
        self._suspects: set[int] = set()
        #: Set once it is known that another process leads, or that this one does and *elected* has ended.
        self.settled = asyncio.Event()
        #: Whether this process leads.
        self.leads = False

    async def run(self) -> None:
        """Lead, or stand by, until cancelled."""
        await every(_TRY, self._try, name="leadership", retry=Backoff(first=_TRY, cap=_TRY))

    async def lead_for(self, duty: Duty) -> bool:
        """Run *duty* as the leader, without the other duties; tell whether no other process leads.

        A caller that repeats it takes over from a leader that is frozen.
        """
        async with self._locks.hold(LEADER, 0) as held:
            if held:
                beat = asyncio.create_task(every(self._frozen_after / _SIGNS, self._beat, name="sign of life"))
                try:
                    await duty()
                finally:
                    beat.cancel()
        if not held:
            await self._watch()
        return held

    async def check(self) -> None:
        """Return if a process leads and rooms do not wait for their backfills for long.

        Raises:
            StoreError: why not, or the database does not answer.
        """
        leader = await self._leadership.state()
        if leader.silent is None or leader.silent > self._frozen_after:
            raise StoreError("no process leads: agents, backfills and invitations wait")
        if leader.backfill_age is not None and leader.backfill_age > _LONG_BACKFILL:
            raise StoreError(f"rooms have waited for their backfill for {leader.backfill_age:.0f} s")

    async def _try(self) -> None:
        async with self._locks.hold(LEADER, 0) as held:
            self.leads = held
            try:
                if held:
                    await self._lead()
            finally:
                self.leads = False
        self.settled.set()
        await self._watch()

    async def _watch(self) -> None:
        """End the session of a leader that shows no sign of life: its process is frozen, and its duties are not done.

        A database that cannot write keeps a leader from its sign of life, but not its session from working. If the
        whole machine was suspended, the leader gives a sign of life soon. A process that goes on after its end finds
        its locks lost.
        """
        leader, now = await self._leadership.state(), time.monotonic()
        if leader.pid is None or (leader.idle or 0.0) <= self._frozen_after / 2:
            self._rival = None
        elif self._rival is None or self._rival[0] != leader.pid:
            self._rival = (leader.pid, now)
        elif (silent := leader.silent or 0.0) > self._frozen_after and now - self._rival[
            1
        ] > self._frozen_after / _SIGNS:
            _log.warning("the leader is frozen: its session is ended", seconds=round(silent, 1))
            await self._leadership.end(leader.pid)

    async def _lead(self) -> None:
        await self._beat()
        await self._elected()
        _log.info("this process leads")
        self.settled.set()
        beat = every(self._frozen_after / _SIGNS, self._beat, name="the leader's sign of life")
        await run_endless(beat=beat, **{name: duty() for name, duty in self._duties.items()})

    async def _beat(self) -> None:
        """Give a sign of life, and end the sessions of processes that gave none: others take over their lanes.

        A process counts as frozen at the second sign of the leader that finds it silent. If the whole machine was
        suspended, all processes give a sign of life before.
        """
        silent = await self._leadership.beat(self._locks.process, self._frozen_after, self._suspects)
        if ended := sum(has_ended for _, has_ended in silent):
            _log.warning("processes are frozen: their sessions are ended", processes=ended)
        self._suspects = {pid for pid, _ in silent}
