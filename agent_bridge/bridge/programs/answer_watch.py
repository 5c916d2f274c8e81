"""Programs wait for the ends of answers: one statement reads those of all who wait, after a signal."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import LOOK
from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.program_requests import GivenAnswer, ProgramRequests

_log = structlog.stdlib.get_logger(__name__)


class AnswerWatch:
    """Waits for answers. Nothing runs while no program waits."""

    def __init__(self, store: ProgramRequests, signals: Signals) -> None:
        self._store = store
        self._signals = signals
        self._waiting: Counter[str] = Counter()
        self._found: dict[str, Sequence[GivenAnswer]] = {}
        self._news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None
        self._is_ending = False

    async def answers(self, event_id: str, seconds: float, turn: int | None = None) -> Sequence[GivenAnswer]:
        """Return the answers to a message as soon as none is open, or as they are after *seconds*.

        *turn*: return them also when none of them is that of this turn any more, which another one has collected.

        Raises:
            StoreError: they cannot be read.
        """
        if seconds <= 0 or self._is_ending:
            return (await self._store.answers([event_id])).get(event_id, [])
        self._enter(event_id)
        try:
            present = (await self._store.answers([event_id], awaited=True)).get(event_id, [])
            if _is_over(present, turn):
                return present
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self._has_news(event_id, turn))
                if event_id in self._found:
                    return self._found[event_id]
        except TimeoutError:
            pass
        finally:
            self._leave(event_id)
        return (await self._store.answers([event_id])).get(event_id, [])

    async def end(self) -> None:
        """End all waits: the process stops. Programs ask another process, or this one again, by the handle."""
        self._is_ending = True
        if self._reader is not None:
            self._reader.cancel()
        async with self._news:
            self._news.notify_all()

    def _enter(self, event_id: str) -> None:
        """Count a wait. From here on no signal is missed."""
        self._waiting[event_id] += 1
        if self._reader is None or self._reader.done():
            stack = ExitStack()
            wake = stack.enter_context(self._signals.subscription(Topic.ANSWERS))
            self._reader = asyncio.create_task(self._read(stack, wake))

    def _leave(self, event_id: str) -> None:
        self._waiting[event_id] -= 1
        if self._waiting[event_id] <= 0:
            del self._waiting[event_id]
            self._found.pop(event_id, None)

    def _has_news(self, event_id: str, turn: int | None) -> bool:
        if self._is_ending:
            return True
        found = self._found.get(event_id)
        return found is not None and _is_over(found, turn)

    async def _read(self, subscription: ExitStack, wake: asyncio.Event) -> None:
        """Read the answers that are waited for after each signal, until no program waits."""
        with subscription:
            while self._waiting:
                # The signal may be lost.
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await wake.wait()
                wake.clear()
                events = list(self._waiting)
                try:
                    found = await self._store.answers(events)
                    if any(each.open and not each.awaited for given in found.values() for each in given):
                        # A message was collected by another turn since.
                        found = await self._store.answers(events, awaited=True)
                except StoreError as error:
                    _log.warning("answers for programs cannot be read", error=str(error))
                    continue
                self._found |= {event_id: found.get(event_id, []) for event_id in events if event_id in self._waiting}
                async with self._news:
                    self._news.notify_all()


def _is_over(found: Sequence[GivenAnswer], turn: int | None) -> bool:
    """Tell whether none of *found* is open, or none is that of *turn*."""
    return not any(each.open for each in found) or (turn is not None and all(each.turn != turn for each in found))
