"""Bulletin: what the leader knows of the upstreams, for every process to read, and how they ask it to look again."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seconds between two looks for an answer.
_LOOK = 0.1


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
    """How often, in all, people asked to look at the upstreams, and to believe whatever they say."""

    requested: int = 0
    confirmed: int = 0


class UpstreamStatus:
    """Facts, shared by all processes on one database. Every method raises :class:`StoreError`."""

    def __init__(self, kv: KeyValues) -> None:
        self._kv = kv

    async def publish(self, healths: Sequence[Health]) -> None:
        """Tell how the upstreams are."""
        await self._kv.set(KeyValues.UPSTREAMS, [asdict(health) for health in healths])

    async def read(self) -> list[Health]:
        """Return how the upstreams are, as the leader told last."""
        return [Health(**each) for each in await self._kv.get(KeyValues.UPSTREAMS) or []]

    async def requested_syncs(self) -> tuple[SyncRequests, SyncRequests]:
        """Return how often people asked, and how much of that is done."""
        kv = await self._kv.some(KeyValues.LOOKS, KeyValues.CONFIRMED, KeyValues.DONE)
        requested_syncs = SyncRequests(kv.get(KeyValues.LOOKS, 0), kv.get(KeyValues.CONFIRMED, 0))
        return requested_syncs, SyncRequests(**kv.get(KeyValues.DONE, {}))

    async def done(self, requested_syncs: SyncRequests) -> None:
        """Tell those who had asked by then that it is done."""
        await self._kv.set(KeyValues.DONE, asdict(requested_syncs))

    async def ask(self, *, confirmed: bool, within: float) -> bool:
        """Have the leader look at the upstreams now; tell whether it did within *within* seconds."""
        number = await self._kv.count_up(KeyValues.CONFIRMED if confirmed else KeyValues.LOOKS)
        try:
            async with asyncio.timeout(within):
                while True:
                    _, done = await self.requested_syncs()
                    if (done.confirmed if confirmed else done.requested) >= number:
                        return True
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            return False
