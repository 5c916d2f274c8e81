"""Bulletin: what the leader knows of the upstreams, for every process to read, and how they ask it to look again."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.kv import Facts

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
class Asked:
    """How often, in all, people asked to look at the upstreams, and to believe whatever they say."""

    looks: int = 0
    confirmed: int = 0


class Bulletin:
    """Facts, shared by all processes on one database. Every method raises :class:`StoreError`."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def publish(self, healths: Sequence[Health]) -> None:
        """Tell how the upstreams are."""
        await self._facts.set(Facts.UPSTREAMS, [asdict(health) for health in healths])

    async def read(self) -> list[Health]:
        """Return how the upstreams are, as the leader told last."""
        return [Health(**each) for each in await self._facts.get(Facts.UPSTREAMS) or []]

    async def asked(self) -> tuple[Asked, Asked]:
        """Return how often people asked, and how much of that is done."""
        facts = await self._facts.some(Facts.LOOKS, Facts.CONFIRMED, Facts.DONE)
        asked = Asked(facts.get(Facts.LOOKS, 0), facts.get(Facts.CONFIRMED, 0))
        return asked, Asked(**facts.get(Facts.DONE, {}))

    async def done(self, asked: Asked) -> None:
        """Tell those who had asked by then that it is done."""
        await self._facts.set(Facts.DONE, asdict(asked))

    async def ask(self, *, confirmed: bool, within: float) -> bool:
        """Have the leader look at the upstreams now; tell whether it did within *within* seconds."""
        number = await self._facts.count_up(Facts.CONFIRMED if confirmed else Facts.LOOKS)
        try:
            async with asyncio.timeout(within):
                while True:
                    _, done = await self.asked()
                    if (done.confirmed if confirmed else done.looks) >= number:
                        return True
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            return False
