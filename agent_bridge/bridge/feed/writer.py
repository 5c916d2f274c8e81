"""Writes the entries of the events that the homeserver delivers, as long as a program may subscribe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.feed.entries import entry_of
from agent_bridge.core.feed import FeedType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.feed import FeedSwitch
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.feed import Feed


class FeedWriter:
    """Takes the events of a transaction, also those of the bridge's own users."""

    def __init__(self, feed: Feed, switch: FeedSwitch) -> None:
        self._feed = feed
        self._switch = switch

    async def take(self, events: Sequence[RoomEvent]) -> None:
        """Write the entries of *events*. A repeat writes nothing.

        Raises:
            StoreError: nothing was written; the homeserver delivers the events again.
        """
        if not self._switch.is_on:
            return
        if gone := [event.event_id for event in events if event.redacted_by is not None]:
            await self._feed.erase(gone)
        if not (entries := [entry for event in events if (entry := entry_of(event)) is not None]):
            return
        await self._feed.add(entries)
        redacted = [each.target for each in entries if each.type is FeedType.REDACTION and each.target is not None]
        if redacted:
            await self._feed.erase(redacted)
