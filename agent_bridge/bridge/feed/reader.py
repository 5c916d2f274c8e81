"""Reads the feed once for all subscribers of a process."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from agent_bridge.core.feed import FeedEntry
    from agent_bridge.store.feed import Feed
    from agent_bridge.store.postgres.signals import Signals

#: Entries of one read, and entries that stay in memory for the subscribers.
_PAGE, _KEPT = 500, 2_000


class FeedReader:
    """Gives entries to subscribers, each from the position that it has reached. Reads nothing while there are none.

    What is erased in the database goes from the memory, too.
    """

    def __init__(self, feed: Feed, signals: Signals) -> None:
        self._feed = feed
        self._signals = signals
        self._kept: deque[FeedEntry] = deque()
        #: The kept entries are all those behind this position, up to the newest one that was read.
        self._floor = 0
        self._newest = 0
        #: Set when entries were erased; and how often the kept ones were dropped for that.
        self._erased = asyncio.Event()
        self._drops = 0
        self._subscribers = 0
        self._reading: asyncio.Task[None] | None = None
        #: Set when there are further entries; each reader of it waits for the next one.
        self._news = asyncio.Event()

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator[None]:
        """Read the feed for the length of the block.

        Raises:
            StoreError: the feed cannot be read.
        """
        self._subscribers += 1
        try:
            if self._reading is None:
                bounds = await self._feed.bounds()
                if self._reading is None:
                    self._kept.clear()
                    self._floor = self._newest = bounds.newest
                    self._reading = asyncio.create_task(self._read())
            yield
        finally:
            self._subscribers -= 1
            if not self._subscribers and self._reading is not None:
                reading, self._reading = self._reading, None
                reading.cancel()
                await asyncio.wait([reading])

    async def after(self, position: int, *, patience: float) -> Sequence[FeedEntry]:
        """Return entries behind *position* in their order, as soon as there are any; empty after *patience* seconds.

        The caller is inside :meth:`subscribed`.

        Raises:
            StoreError: the feed cannot be read.
        """
        self._drop_erased()
        if position < self._floor:
            return await self._feed.after(position, most=_PAGE)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while position >= self._newest:
                    await self._news.wait()
        self._drop_erased()
        if position < self._floor:
            # It fell behind in the meantime.
            return await self._feed.after(position, most=_PAGE)
        return [each for each in self._kept if each.position > position]

    def _drop_erased(self) -> None:
        """Forget the kept entries if some of them may have been erased: subscribers read them again."""
        if self._erased.is_set():
            self._erased.clear()
            self._kept.clear()
            self._floor = self._newest
            self._drops += 1

    async def _read(self) -> None:
        with (
            self._signals.subscription(Topic.FEED) as wake,
            self._signals.subscription(Topic.FEED_ERASED) as self._erased,
        ):
            await every(FALLBACK, self._read_on, name="feed", wake=wake, rest=0.0)

    async def _read_on(self) -> float | None:
        drops = self._drops
        found = await self._feed.after(self._newest, most=_PAGE)
        if not found:
            return None
        self._kept.extend(found)
        self._newest = found[-1].position
        if drops != self._drops:
            # They may have been read before the erasure.
            self._erased.set()
        while len(self._kept) > _KEPT:
            self._floor = self._kept.popleft().position
        self._news.set()
        self._news = asyncio.Event()
        return 0.0 if len(found) == _PAGE else None
