"""Keeps the rooms of servers and channels as they are to be. A duty of the leader."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.channels.reconciler import PlaceReconciler
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.servers import Servers

_log = structlog.stdlib.get_logger(__name__)

#: Rooms that one look takes.
_AT_ONCE = 20
_RETRY = Backoff(first=1, cap=300)
#: Seconds until the next look at a room that the homeserver deletes.
_MOMENT = 0.5


class PlaceKeeper:
    """Compares the servers and channels that changed with the homeserver, one after the other.

    It compares all of them when it begins, and when the main Space or the configuration changed.
    """

    def __init__(self, servers: Servers, reconciler: PlaceReconciler, signals: Signals) -> None:
        self._servers = servers
        self._reconciler = reconciler
        self._signals = signals
        #: How often each room failed in a row, and when it may be tried again, by a monotonic clock.
        self._failures: dict[int, int] = {}
        self._later: dict[int, float] = {}
        #: The main Space and the settings with which all were compared last, and the rooms that are not compared yet.
        self._basis: object = None
        self._waiting: list[int] = []

    async def run(self) -> None:
        """Compare what changed, until cancelled."""
        self._basis, self._waiting = None, []
        with self._signals.subscription(Topic.PLACES, Topic.SPACE, Topic.CONFIGURATION) as wake:
            await every(FALLBACK, self.keep, name="servers and channels", wake=wake)

    async def keep(self) -> float | None:
        """Compare what changed; return the seconds until a room may be tried again.

        Raises:
            StoreError: the next call goes on.
        """
        basis = await self._reconciler.basis()
        if basis != self._basis:
            self._waiting = [each.id for each in await self._servers.with_rooms()]
            self._basis = basis
        while True:
            now = time.monotonic()
            self._later = {place: at for place, at in self._later.items() if at > now}
            due = await self._servers.due(_AT_ONCE, self._later)
            waiting = [place for place in self._waiting if place not in self._later]
            for place in due or waiting[:1]:
                if await self._attempt(place):
                    self._waiting = [each for each in self._waiting if each != place]
            if not due and not waiting:
                return min(self._later.values()) - now if self._later else None

    async def _attempt(self, place: int) -> bool:
        """Compare a room; tell whether that is done. Otherwise it is tried again later."""
        try:
            if not await self._reconciler.reconcile(place):
                self._later[place] = time.monotonic() + _MOMENT
                return False
        except BridgeError as error:
            failures = self._failures[place] = self._failures.get(place, 0) + 1
            self._later[place] = time.monotonic() + _RETRY.delay(failures)
            log = _log.warning if failures == 1 else _log.debug
            log("a server or a channel is not compared yet", place=place, error=str(error))
            return False
        self._failures.pop(place, None)
        return True
