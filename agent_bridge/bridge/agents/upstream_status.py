"""Upstream status: the leader tells all processes how the upstreams are, and they ask it for a sync.

Both go through the key-value table; a signal has the other side read it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.kv import KeyValues
from agent_bridge.store.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.store.signals import Signals

#: Seconds between two looks for the completion of a sync without a signal.
_LOOK = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """How an upstream is."""

    name: str
    #: Why it cannot be asked; None when the last answer was good; empty before the first answer.
    error: str | None = ""
    #: Agents that it listed last.
    agents: int = 0
    #: Agents that stopped being listed, too many at once to believe it without an operator's word.
    doubted: int = 0

    @property
    def ok(self) -> bool:
        """Whether the last answer was good."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class SyncRequests:
    """How often, in all, people asked for a sync, and for one that believes whatever the upstreams say."""

    requested: int = 0
    confirmed: int = 0


class UpstreamStatus:
    """The status of the upstreams, shared by all processes on one database. Every method raises :class:`StoreError`."""

    def __init__(self, kv: KeyValues, signals: Signals) -> None:
        self._kv = kv
        self._signals = signals

    async def publish(self, healths: Sequence[Health]) -> None:
        """Tell all processes how the upstreams are."""
        await self._kv.set(KeyValues.UPSTREAMS, [asdict(health) for health in healths], topic=Topic.UPSTREAMS)

    async def read(self) -> list[Health]:
        """Return how the upstreams are, as the leader published it last."""
        return [Health(**each) for each in await self._kv.get(KeyValues.UPSTREAMS) or []]

    async def requested_syncs(self) -> tuple[SyncRequests, SyncRequests]:
        """Return how often people asked for a sync, and how much of that is done."""
        kv = await self._kv.some(KeyValues.LOOKS, KeyValues.CONFIRMED, KeyValues.DONE)
        requested_syncs = SyncRequests(kv.get(KeyValues.LOOKS, 0), kv.get(KeyValues.CONFIRMED, 0))
        return requested_syncs, SyncRequests(**kv.get(KeyValues.DONE, {}))

    async def done(self, requested_syncs: SyncRequests) -> None:
        """Record that *requested_syncs* are done."""
        await self._kv.set(KeyValues.DONE, asdict(requested_syncs), topic=Topic.SYNCS)

    async def ask(self, *, confirmed: bool, within: float) -> bool:
        """Ask the leader for a sync now; tell whether it was done within *within* seconds."""
        with self._signals.subscription(Topic.SYNCS) as news:
            key = KeyValues.CONFIRMED if confirmed else KeyValues.LOOKS
            number = await self._kv.count_up(key, topic=Topic.SYNCS)
            try:
                async with asyncio.timeout(within):
                    while not await self._is_done(number, confirmed=confirmed):
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_LOOK):
                                await news.wait()
                        news.clear()
            except TimeoutError:
                return False
            return True

    async def _is_done(self, number: int, *, confirmed: bool) -> bool:
        _, done = await self.requested_syncs()
        return (done.confirmed if confirmed else done.requested) >= number
