"""Servers and channels that a test leaves behind: bridges of later tests, with the same bot, would find them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.servers import Servers
from support.conditions import eventually

if TYPE_CHECKING:
    from support.harness import Running


async def delete_places(running: Running) -> None:
    """Have the bridge delete all servers and channels, and wait for the end."""
    store = Servers(running.database)
    async with running.database.transaction() as connection:
        for place in await store.with_rooms():
            await store.delete(connection, place.id, "")

    async def gone() -> bool:
        return not await running.database.rows("SELECT 1 FROM room WHERE kind IN ('server', 'channel')")

    await eventually(gone, "all servers and channels are deleted")
