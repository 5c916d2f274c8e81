"""The table ``kv``: single JSON values by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.postgres.signals import Topic

_SQL = Statements("kv")


class KeyValues:
    """Named JSON values."""

    #: Room id of the Space.
    SPACE = "space"
    #: Name and topic that the Space was given last, or was found to replace by others.
    SPACE_NAMES = "space_names"
    #: User ids that were invited to the Space.
    SPACE_INVITED = "space_invited"
    #: Room id of the Space whose members may enter the rooms: once, each of them had a role or was in ``rooms.invite``.
    SPACE_TRUSTED = "space_trusted"
    #: The lobby: the reference in the configuration, and the room id.
    LOBBY = "lobby"
    #: The alias in the configuration that the Space had when it was found; none: the bridge made the Space.
    SPACE_ALIAS = "space_alias"
    #: Room id of the room of the administrators.
    ADMIN_ROOM = "admin_room"
    #: Keys of the changes that the administrators were told.
    TOLD_ADMINS = "told_admins"
    #: By upstream: the number of reports about held changes, and the changes that the last one named.
    HELD_REPORTS = "held_reports"
    #: By upstream whose kind has changed: the number of changes, the present kind, and the number of agents with rooms.
    SWITCHES = "switches"
    #: The status of each upstream.
    UPSTREAMS = "upstreams"
    #: The number of requests for a sync; of those that confirm every change of the listings; and of both when the last
    #: sync began.
    LOOKS = "upstream_looks"
    CONFIRMED = "upstream_looks_confirmed"
    DONE = "upstream_looks_done"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> Any:
        """Return the value of *key*; None without one."""
        return (await self.some(key)).get(key)

    async def some(self, *keys: str) -> dict[str, Any]:
        """Return the values of those of *keys* that have one."""
        rows = await self._database.rows(_SQL["some"], {"keys": list(keys)})
        return {row["key"]: row["value"] for row in rows}

    async def set(self, key: str, value: Any, *, topic: Topic | None = None) -> None:
        """Set the value of *key* to *value* (any JSON), and signal *topic*."""
        await self._database.execute(_SQL["set"], {"key": key, "value": Jsonb(value), "topic": topic})

    async def note_restart(self, upstream: str) -> None:
        """Record that *upstream* may be restarted now, by the clock of the database."""
        await self._database.execute(_SQL["note_restart"], {"upstream": upstream})

    async def count_up(self, key: str, *, topic: Topic) -> int:
        """Add one to the number *key*, which begins at 0, signal *topic*, and return the number."""
        row = await self._database.row(_SQL["count_up"], {"key": key, "topic": topic})
        return 0 if row is None else int(row["number"])
