"""Showing: an answer is seen as it grows, for as long as it grows."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.errors import BridgeError, HomeserverError
from agent_bridge.matrix.session import at_once

if TYPE_CHECKING:
    from agent_bridge.bridge.answering.answer_buffer import AnswerBuffer
    from agent_bridge.bridge.delivery.edit_budget import EditBudget
    from agent_bridge.bridge.delivery.outbox import Outbox

_log = structlog.stdlib.get_logger(__name__)

_TOO_MANY = 429


class AnswerStreamer:
    """Has *speaker* show *draft* within *budget*.

    What cannot be shown is left out: the whole answer comes at the end.
    """

    def __init__(self, outbox: Outbox, buffer: AnswerBuffer, budget: EditBudget) -> None:
        self._outbox = outbox
        self._buffer = buffer
        self._budget = budget
        self._news = asyncio.Event()

    def tell(self) -> None:
        """Note that the draft has changed."""
        self._news.set()

    async def until(self, over: asyncio.Future[Any]) -> None:
        """Show what is due whenever it is, until *over* is done; what is on its way then arrives first."""
        over.add_done_callback(lambda _: self._news.set())
        while not over.done():
            await self._news.wait()
            self._news.clear()
            while self._buffer.due is not None and not over.done():
                await asyncio.wait([over], timeout=max(0.0, self._buffer.due - time.monotonic()))
                if not self._buffer.urgent:
                    await self._await_turn(over)
                if over.done():
                    return
                with nullcontext() if self._buffer.urgent else at_once():
                    await self._glimpse()

    async def _await_turn(self, over: asyncio.Future[Any]) -> None:
        """Return when the budget allows an edit, or when there is no need to wait for that any more."""
        turn = asyncio.create_task(self._budget.wait())
        try:
            while not (over.done() or turn.done() or self._buffer.urgent):
                self._news.clear()
                news = asyncio.create_task(self._news.wait())
                await asyncio.wait([turn, news], return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
        finally:
            turn.cancel()
            await asyncio.wait([turn])

    async def _glimpse(self) -> None:
        for op in self._buffer.take(time.monotonic()):
            try:
                await self._outbox.show(op)
            except BridgeError as error:
                _log.info("a glimpse of the answer was not shown", error=str(error))
                if isinstance(error, HomeserverError) and error.status == _TOO_MANY:
                    self._budget.refused()
            else:
                self._budget.taken()
