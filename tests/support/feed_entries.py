"""The entries of the feed that come from rows, as a program gets them that is never away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent_bridge.store.feed import Feed

if TYPE_CHECKING:
    from agent_bridge.core.feed import FeedType
    from agent_bridge.store.postgres.database import Database


async def facts(database: Database, *types: FeedType) -> list[dict[str, Any]]:
    """Return the contents of the entries of *types*, in their order."""
    entries = await Feed(database).after(0, most=10_000)
    return [json.loads(each.content) for each in entries if each.type in types]
