"""Stops: tells whoever answers a turn that a person wants it to end, on whatever machine that was said."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FailureLog
from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.core.turns import StopReason, Turn
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks, while anything is answered.
_LOOK = 0.3


class Cancellations:
    """Looks in the table of turns, which every process sees."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._running: dict[int, asyncio.Future[StopReason]] = {}

    @contextmanager
    def watch(self, turn: Turn) -> Iterator[asyncio.Future[StopReason]]:
        """Give a future that is done when a person wants *turn* to end."""
        wish = self._running[turn.id] = asyncio.get_running_loop().create_future()
        try:
            yield wish
        finally:
            del self._running[turn.id]
            wish.cancel()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        grumble = FailureLog(_log, "cannot look for answers to stop")
        while True:
            if self._running:
                try:
                    for turn, stop in (await self._turns.stops(self._running)).items():
                        wish = self._running.get(turn)
                        if wish is not None and not wish.done():
                            wish.set_result(stop)
                except StoreError as error:
                    grumble.over(error)
                else:
                    grumble.well()
            await asyncio.sleep(_LOOK)
