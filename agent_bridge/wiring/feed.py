"""The parts of the feed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.feed.growth import AnswerGrowth
from agent_bridge.bridge.feed.live import LiveEvents
from agent_bridge.bridge.feed.reader import FeedReader
from agent_bridge.store.answer_growth import GrowthSender
from agent_bridge.store.feed import Feed

if TYPE_CHECKING:
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedParts:
    """The parts."""

    feed: Feed
    reader: FeedReader
    live: LiveEvents
    growth: AnswerGrowth


def build_feed(settings: Settings, stores: Stores) -> FeedParts:
    """Build them."""
    feed = Feed(stores.database)
    return FeedParts(
        feed=feed,
        reader=FeedReader(feed, stores.signals),
        live=LiveEvents(feed, settings.feed, stores.signals),
        growth=AnswerGrowth(GrowthSender(stores.database), stores.signals),
    )
