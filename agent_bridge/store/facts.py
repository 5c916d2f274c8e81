"""Single values that are worth remembering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from agent_bridge.store.database import Database


class Facts:
    """Named JSON values."""

    #: Room id of the Space.
    SPACE = "space"
    #: User ids that were invited to the Space.
    SPACE_INVITED = "space_invited"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> Any:
        """Return the value of *key*, None when there is none."""
        row = await self._database.row("SELECT value FROM fact WHERE key = %s", (key,))
        return None if row is None else row["value"]

    async def set(self, key: str, value: Any) -> None:
        """Remember *value* (any JSON) as *key*."""
        await self._database.execute(
            "INSERT INTO fact (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
            (key, Jsonb(value)),
        )
