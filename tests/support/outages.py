"""Outages of the homeserver, which may be shorter in tests than the time in which the bridge looks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.conditions import eventually

if TYPE_CHECKING:
    from support.harness import Running


async def outage_noticed(running: Running) -> None:
    """Wait until the bridge, which has rooms, has noticed that the homeserver is away."""

    async def is_noticed() -> bool:
        return bool(await running.database.rows("SELECT 1 FROM room WHERE needs_backfill LIMIT 1"))

    await eventually(is_noticed, "the bridge notices that the homeserver is away")
