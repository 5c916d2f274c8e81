"""Cancellation: ends the answer to a turn when a person wants that, on whichever machine the request came in.

The process that takes the request writes it into the table of turns, and a signal has the others look there.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.store.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.core.turns import StopReason, Turn
    from agent_bridge.store.signals import Signals
    from agent_bridge.store.turns import Turns

#: Seconds between two looks without a signal, while anything is answered.
_LOOK = 5.0
#: Seconds after which a turn is looked at for the first time: its signal may have come before it was watched.
_FIRST_LOOK = 0.3


class Cancellations:
    """Looks for requests to end the turns that this process answers."""

    def __init__(self, turns: Turns, signals: Signals) -> None:
        self._turns = turns
        self._signals = signals
        self._running: dict[int, asyncio.Future[StopReason]] = {}

    @contextmanager
    def watch(self, turn: Turn) -> Iterator[asyncio.Future[StopReason]]:
        """Give a future that is done when a person wants *turn* to end."""
        loop = asyncio.get_running_loop()
        wish = self._running[turn.id] = loop.create_future()
        look = loop.call_later(_FIRST_LOOK, self._signals.send, Topic.STOPS)
        try:
            yield wish
        finally:
            look.cancel()
            del self._running[turn.id]
            wish.cancel()

    async def run(self) -> None:
        """Look at each signal, until cancelled."""
        with self._signals.subscription(Topic.STOPS) as wake:
            await every(_LOOK, self._look, name="search for answers to stop", wake=wake)

    async def _look(self) -> None:
        if not self._running:
            return
        for turn, stop in (await self._turns.stops(self._running)).items():
            wish = self._running.get(turn)
            if wish is not None and not wish.done():
                wish.set_result(stop)
