"""Live events: typing notifications and presence go to the subscribers of all processes, and are stored nowhere."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import StoreError
from agent_bridge.core.feed import LiveEvent, LiveType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent_bridge.core.feed import FeedSwitch
    from agent_bridge.store.feed import Feed
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: Events that wait for a subscriber. It misses further ones: they say what is so now.
_WAITING = 100


class LiveEvents:
    """Passes live events on: a notification of PostgreSQL carries each one to all processes."""

    def __init__(self, feed: Feed, switch: FeedSwitch, signals: Signals) -> None:
        self._feed = feed
        self._switch = switch
        self._queues: set[asyncio.Queue[LiveEvent]] = set()
        signals.on_live.append(self._deliver)

    async def take(self, events: Sequence[LiveEvent]) -> None:
        """Send *events* to all processes, if a program may subscribe."""
        if not self._switch.is_on:
            return
        try:
            for each in events:
                await self._feed.announce(json.dumps(asdict(each)))
        except StoreError as error:
            _log.info("live events are lost", events=len(events), error=str(error))

    @contextmanager
    def subscribed(self) -> Iterator[asyncio.Queue[LiveEvent]]:
        """Give a queue that gets each event for the length of the block."""
        queue: asyncio.Queue[LiveEvent] = asyncio.Queue(_WAITING)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def _deliver(self, payload: str) -> None:
        if not self._queues:
            return
        values = json.loads(payload)
        event = LiveEvent(**{**values, "type": LiveType(values["type"]), "typing": tuple(values["typing"])})
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(event)
