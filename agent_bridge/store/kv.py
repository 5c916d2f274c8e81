"""Single values that are worth remembering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.store.signals import CHANNEL

if TYPE_CHECKING:
    from agent_bridge.store.database import Database
    from agent_bridge.store.signals import Topic


class KeyValues:
    """Named JSON values."""

    #: Room id of the Space.
    SPACE = "space"
    #: User ids that were invited to the Space.
    SPACE_INVITED = "space_invited"
    #: How the upstreams are.
    UPSTREAMS = "upstreams"
    #: The number of requests for a sync, of those that confirm the lists of the upstreams, and of those that are done.
    LOOKS = "upstream_looks"
    CONFIRMED = "upstream_looks_confirmed"
    DONE = "upstream_looks_done"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> Any:
        """Return the value of *key*, None when there is none."""
        row = await self._database.row("SELECT value FROM kv WHERE key = %s", (key,))
        return None if row is None else row["value"]

    async def some(self, *keys: str) -> dict[str, Any]:
        """Return the values of those of *keys* that have one."""
        rows = await self._database.rows("SELECT key, value FROM kv WHERE key = ANY(%s)", (list(keys),))
        return {row["key"]: row["value"] for row in rows}

    async def set(self, key: str, value: Any, *, topic: Topic | None = None) -> None:
        """Remember *value* (any JSON) as *key*, and signal *topic*."""
        await self._database.execute(
            """
            INSERT INTO kv (key, value) VALUES (%(key)s, %(value)s)
            ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value
            RETURNING CASE WHEN %(topic)s::text IS NOT NULL THEN pg_notify(%(channel)s, %(topic)s) END
            """,
            {"key": key, "value": Jsonb(value), "channel": CHANNEL, "topic": topic},
        )

    async def count_up(self, key: str, *, topic: Topic) -> int:
        """Add one to the number *key*, which begins at 0, signal *topic*, and return the number."""
        row = await self._database.row(
            """
            INSERT INTO kv (key, value) VALUES (%s, '1')
            ON CONFLICT (key) DO UPDATE SET value = to_jsonb(kv.value::integer + 1)
            RETURNING value::integer AS number, pg_notify(%s, %s)
            """,
            (key, CHANNEL, topic),
        )
        return 0 if row is None else int(row["number"])
