"""Programs wait for the ends of answers: one statement reads those of all who wait, after a signal."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK
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

    async def answers(self, event_id: str, seconds: float) -> Sequence[GivenAnswer]:
        """Return the answers to a message as soon as none is open, or as they are after *seconds*.

        Raises:
            StoreError: they cannot be read.
        """
        present = (await self._store.answers([event_id])).get(event_id, [])
        if seconds <= 0 or not any(each.open for each in present):
            return present
        self._waiting[event_id] += 1
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self._is_over(event_id))
        except TimeoutError:
            pass
        finally:
            self._waiting[event_id] -= 1
            if self._waiting[event_id] <= 0:
                del self._waiting[event_id]
                self._found.pop(event_id, None)
        return (await self._store.answers([event_id])).get(event_id, [])

    def _is_over(self, event_id: str) -> bool:
        found = self._found.get(event_id)
        return found is not None and not any(each.open for each in found)

    async def _read(self) -> None:
        """Read the answers that are waited for after each signal, as long as a program waits."""
        with self._signals.subscription(Topic.ANSWERS) as wake:
            while self._waiting:
                wake.clear()
                events = list(self._waiting)
                try:
                    found = await self._store.answers(events)
                except StoreError as error:
                    _log.warning("answers for programs cannot be read", error=str(error))
                else:
                    self._found |= {event_id: found.get(event_id, []) for event_id in events}
                    async with self._news:
                        self._news.notify_all()
                try:
                    async with asyncio.timeout(FALLBACK):
                        await wake.wait()
                except TimeoutError:
                    continue
