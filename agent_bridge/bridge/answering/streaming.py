"""Streaming: an answer is shown by edits while it arrives."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Self

import structlog

from agent_bridge.core.answers import Part
from agent_bridge.core.errors import BridgeError, HomeserverError
from agent_bridge.core.observer import UNOBSERVED
from agent_bridge.matrix.session import at_once

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from agent_bridge.bridge.answering.answer_buffer import AnswerBuffer
    from agent_bridge.bridge.delivery.edit_budget import EditBudget
    from agent_bridge.bridge.delivery.event_streams import AnswerStreams
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.core.answers import Op
    from agent_bridge.core.observer import Observer

_log = structlog.stdlib.get_logger(__name__)

_TOO_MANY = 429
#: Seconds that the homeserver has for one edit: the whole answer must not wait long for a request without an answer.
_PATIENCE = 10.0


class AnswerStreamer:
    """Shows the messages of *buffer* through *outbox* when they are due, within *budget*.

    Use as async context manager around the generation of the answer, and call :meth:`changed` after each delta. The end
    of the block waits for a request that was sent already; cancellation does not. A message that the homeserver does
    not take within *patience* seconds is left out: the whole answer follows in any case. So is one if *verify* raises:
    a worker that was paused may have lost its lane, and must not edit an answer that another worker has finished.

    The streaming task starts when the first messages are due, so an answer that is whole before costs no task. It calls
    *permits* before each of them; once that returns False, nothing more is shown, nor sent by *streams*. While all
    people get the text by *streams*, there are neither edits nor further parts.
    """

    def __init__(
        self,
        outbox: Outbox,
        buffer: AnswerBuffer,
        budget: EditBudget,
        verify: Callable[[], Awaitable[None]],
        *,
        enabled: bool,
        patience: float = _PATIENCE,
        observer: Observer = UNOBSERVED,
        permits: Callable[[], Awaitable[bool]] | None = None,
        streams: AnswerStreams | None = None,
    ) -> None:
        self._permits = permits
        self._streams = streams
        self._observer = observer
        self._outbox = outbox
        self._verify = verify
        self._buffer = buffer
        self._budget = budget
        self._enabled = enabled
        self._patience = patience
        self._ended = False
        #: The due time that the timer or the task waits for.
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        #: Set when the due time has changed, when the budget permits an edit, and at the end.
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._news.set()
        if self._timer is not None:
            self._timer.cancel()
        try:
            if self._task is not None:
                if kind is not None and issubclass(kind, asyncio.CancelledError):
                    self._task.cancel()
                await self._task
        finally:
            if self._streams is not None:
                await self._streams.close()

    def changed(self) -> None:
        """Note that the buffer has changed."""
        if self._streams is not None:
            self._streams.changed()
        due = self._buffer.due
        if due == self._due or not self._enabled:
            return
        self._due = due
        if self._task is not None:
            self._news.set()
        elif due is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), self._start)

    def _start(self) -> None:
        self._task = asyncio.create_task(self._stream())

    async def _stream(self) -> None:
        while not self._ended and self._enabled:
            due = self._buffer.due
            pause = None if due is None else due - time.monotonic()
            if pause is None or pause > 0:
                await self._wait(pause)
                continue
            self._enabled = self._permits is None or await self._permits()
            if not self._enabled and self._streams is not None:
                await self._streams.close()
            if self._enabled and not self._ended:
                quiet = self._streams is not None and await self._streams.reach_all(self._buffer.growing)
                if self._buffer.urgent or quiet or await self._budget_permits():
                    with nullcontext() if self._buffer.urgent else at_once():
                        await self._flush(quiet=quiet)

    async def _wait(self, pause: float | None) -> None:
        """Return after *pause* seconds, or when there is news."""
        self._news.clear()
        try:
            async with asyncio.timeout(pause):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _budget_permits(self) -> bool:
        """Wait until the budget permits an edit; return False if the first words arrive or the answer ends before."""
        permit = asyncio.create_task(self._budget.wait())
        permit.add_done_callback(lambda _: self._news.set())
        try:
            while not (permit.done() or self._ended or self._buffer.urgent):
                self._news.clear()
                await self._news.wait()
            if self._ended:
                # The whole answer takes the place of the edit.
                self._observer.edited(sent=False)
            return permit.done() and not self._ended
        finally:
            permit.cancel()

    async def _flush(self, *, quiet: bool) -> None:
        self._due = None
        for op in await self._buffer.take(time.monotonic(), quiet=quiet):
            try:
                await self._verify()
                async with asyncio.timeout(self._patience):
                    await self._outbox.take_back(Part.WAITING)
                    await self._show(op)
            except (BridgeError, TimeoutError) as error:
                _log.info("a part of a growing answer was not shown", error=str(error))
                self._observer.edited(sent=False)
                if isinstance(error, HomeserverError) and error.status == _TOO_MANY:
                    self._budget.refused()
            else:
                self._budget.taken()

    async def _show(self, op: Op) -> None:
        """Show *op*; a message that grows begins a stream, and its last edit ends it."""
        if self._streams is None or not op.live:
            await self._outbox.show(op)
            if self._streams is not None:
                self._streams.end(op.part)
            return
        descriptor = await self._streams.descriptor(op.part, is_new=op.part not in self._outbox.event_ids)
        await self._outbox.show(op, also=descriptor)
        if op.part in self._outbox.event_ids:
            self._streams.shown(op.part, self._outbox.event_ids[op.part])
