"""The earlier messages of upstreams that rooms show: the table ``imported_message``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("imports")


class ImportedMessages:
    """Messages that are imported, by their keys. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, room_id: str, keys: Sequence[str]) -> dict[str, int]:
        """Return those of *keys* that a room shows, each with the row id of the operation that sent it."""
        rows = await self._database.rows(_SQL["known"], {"room_id": room_id, "keys": list(keys)})
        return {row["key"]: row["operation"] for row in rows}

    async def add(self, room_id: str, keys: Sequence[str], operation: int) -> None:
        """Record that a room shows messages, which *operation* has sent."""
        await self._database.execute(_SQL["add"], {"room_id": room_id, "keys": list(keys), "operation": operation})

    async def forget(self) -> None:
        """Forget the messages of rooms that are gone."""
        await self._database.execute(_SQL["forget"])
