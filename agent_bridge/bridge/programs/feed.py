"""Programs subscribe: entries of the feed, and live events between them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from agent_bridge.core.feed import LiveType

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from agent_bridge.bridge.feed.live import LiveEvents
    from agent_bridge.bridge.feed.reader import FeedReader
    from agent_bridge.bridge.feed.subscription import Subscription
    from agent_bridge.bridge.programs.directory import Directory
    from agent_bridge.core.feed import FeedEntry, LiveEvent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.programs import Token
    from agent_bridge.store.feed import Feed

#: Seconds for which the users whose presence a program sees are remembered.
_USERS = 60.0

Merged = tuple[int, "Sequence[FeedEntry]", "LiveEvent | None"]


class FeedService:
    """The feed for programs."""

    def __init__(
        self, feed: Feed, reader: FeedReader, live: LiveEvents, directory: Directory, namespace: Namespace
    ) -> None:
        self.feed = feed
        self.reader = reader
        self.namespace = namespace
        self._live = live
        self._directory = directory

    async def merged(
        self, subscription: Subscription, token: Token, position: int, *, patience: float
    ) -> AsyncGenerator[Merged, None]:
        """Yield the position that is reached, and the entries up to it, or a live event; see Subscription.entries."""
        with self._live.subscribed() as queue:
            users, known_at = frozenset[str](), float("-inf")
            async with aclosing(subscription.entries(position, patience=patience)) as pages:
                page, live = asyncio.ensure_future(anext(pages)), asyncio.ensure_future(queue.get())
                try:
                    while True:
                        done, _ = await asyncio.wait([page, live], return_when=asyncio.FIRST_COMPLETED)
                        if page in done:
                            position, entries = page.result()
                            page = asyncio.ensure_future(anext(pages))
                            yield position, entries, None
                        if live in done:
                            event = live.result()
                            live = asyncio.ensure_future(queue.get())
                            now = asyncio.get_running_loop().time()
                            if event.type is LiveType.PRESENCE and now - known_at > _USERS:
                                users, known_at = await self._directory.users(token), now
                            if await _is_visible(event, subscription, users):
                                yield position, (), event
                finally:
                    page.cancel()
                    live.cancel()
                    await asyncio.wait([page, live])


async def _is_visible(event: LiveEvent, subscription: Subscription, users: frozenset[str]) -> bool:
    if event.type not in subscription.wanted.live:
        return False
    if event.room_id is not None:
        return await subscription.sees_room(event.room_id)
    return event.user_id in users
