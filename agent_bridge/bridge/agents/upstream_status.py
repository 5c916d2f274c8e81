"""Upstream status: the leader tells all processes how the upstreams are, and they ask it for a sync.

Both go through the key-value table; a signal has the other side read it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.upstreams import Health
from agent_bridge.store.corruption import readable
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from agent_bridge.store.postgres.signals import Signals

#: Seconds between two looks for the completion of a sync without a signal.
_LOOK = 1.0
#: The fields of a status that are tuples.
_TUPLES = ("vanished", "appeared", "appeared_names", "capabilities")


@dataclass(frozen=True, slots=True)
class SyncRequests:
    """The number of syncs that people asked for so far, and of those that confirm the lists of the upstreams."""

    requested: int = 0
    confirmed: int = 0


class UpstreamStatus:
    """The status of the upstreams, shared by all processes on one database. Every method raises :class:`StoreError`."""

    def __init__(self, kv: KeyValues, signals: Signals) -> None:
        self._kv = kv
        self._signals = signals

    async def publish(self, healths: Sequence[Health]) -> None:
        """Publish the status of the upstreams to all processes."""
        await self._kv.set(KeyValues.UPSTREAMS, [asdict(health) for health in healths], topic=Topic.UPSTREAMS)

    async def read(self) -> list[Health]:
        """Return the status of the upstreams that the leader published last."""
        found = await self._kv.get(KeyValues.UPSTREAMS) or []
        # JSON has lists in place of tuples.
        fields = [each | {key: tuple(each.get(key, ())) for key in _TUPLES} for each in found]
        return readable("kv", fields, lambda _: KeyValues.UPSTREAMS, lambda each: Health(**each))

    async def note_restart(self, upstream: str) -> None:
        """Record that *upstream* may have been restarted, and have forgotten its conversations."""
        await self._kv.note_restart(upstream)

    async def requested_syncs(self) -> tuple[SyncRequests, SyncRequests]:
        """Return the syncs that people asked for, and those that are done."""
        kv = await self._kv.some(KeyValues.LOOKS, KeyValues.CONFIRMED, KeyValues.DONE)
        requested_syncs = SyncRequests(kv.get(KeyValues.LOOKS, 0), kv.get(KeyValues.CONFIRMED, 0))
        done = kv.get(KeyValues.DONE, {})
        return requested_syncs, SyncRequests(done.get("requested", 0), done.get("confirmed", 0))

    async def done(self, requested_syncs: SyncRequests) -> None:
        """Record that *requested_syncs* are done."""
        await self._kv.set(KeyValues.DONE, asdict(requested_syncs), topic=Topic.SYNCS)

    async def requested_looks(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Return the number of looks that were asked for, by upstream, and of those that are done."""
        kv = await self._kv.some(KeyValues.LOOKS_OF, KeyValues.LOOKED)
        return kv.get(KeyValues.LOOKS_OF, {}), kv.get(KeyValues.LOOKED, {})

    async def looked(self, looks: Mapping[str, int]) -> None:
        """Record the number of *looks* that are done, by upstream."""
        await self._kv.set(KeyValues.LOOKED, dict(looks), topic=Topic.SYNCS)

    async def ask(self, *, confirmed: bool, within: float) -> bool:
        """Ask the leader for a sync now; tell whether it was done within *within* seconds."""
        key = KeyValues.CONFIRMED if confirmed else KeyValues.LOOKS

        async def done() -> int:
            _, syncs = await self.requested_syncs()
            return syncs.confirmed if confirmed else syncs.requested

        return await self._asked(lambda: self._kv.count_up(key, topic=Topic.SYNCS), done, within)

    async def ask_one(self, upstream: str, *, within: float) -> bool:
        """Ask the leader to look at *upstream* now; tell whether it has done so within *within* seconds.

        Other upstreams do not delay it.
        """

        async def done() -> int:
            _, looked = await self.requested_looks()
            return looked.get(upstream, 0)

        return await self._asked(
            lambda: self._kv.count_up_of(KeyValues.LOOKS_OF, upstream, topic=Topic.SYNCS), done, within
        )

    async def _asked(
        self, ask: Callable[[], Awaitable[int]], done: Callable[[], Awaitable[int]], within: float
    ) -> bool:
        """Call *ask*, which returns the number of the request; tell whether *done* reaches it in time."""
        with self._signals.subscription(Topic.SYNCS) as news:
            number = await ask()
            try:
                async with asyncio.timeout(within):
                    while await done() < number:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_LOOK):
                                await news.wait()
                        news.clear()
            except TimeoutError:
                return False
            return True
