"""The table ``kv``: single JSON values by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.store.corruption import report
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.postgres.signals import Topic

_SQL = Statements("kv")


class KeyValues:
    """Named JSON values."""

    #: Room id of the Space.
    SPACE = "space"
    #: Name and topic that the Space was given last, or was found to replace by others.
    SPACE_NAMES = "space_names"
    #: ``mxc://`` URL of the avatar that the bridge made for the Space.
    SPACE_AVATAR = "avatar_space"
    #: User ids that were invited to the Space.
    SPACE_INVITED = "space_invited"
    #: Room id of the Space whose members may enter the rooms: once, each of them had a role or was in ``rooms.invite``.
    SPACE_TRUSTED = "space_trusted"
    #: The Space that the bridge made, and the book of roles that its levels and members have.
    SPACE_ROLES = "space_roles"
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
    #: By upstream: the number of requests to look at it, and that number when the last look began.
    LOOKS_OF = "upstream_looks_of"
    LOOKED = "upstream_looked"
    #: The epoch of the feed, and the position up to which its entries were deleted.
    FEED = "feed"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> Any:
        """Return the value of *key*; None without one."""
        return (await self.some(key)).get(key)

    async def some(self, *keys: str) -> dict[str, Any]:
        """Return the values of those of *keys* that have one. A value of the wrong type counts as none."""
        rows = await self._database.rows(_SQL["some"], {"keys": list(keys)})
        return {row["key"]: row["value"] for row in rows if _is_readable(row["key"], row["value"])}

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

    async def count_up_of(self, key: str, member: str, *, topic: Topic) -> int:
        """Add one to the number of *member* in the object *key*, signal *topic*, and return the number."""
        row = await self._database.row(_SQL["count_up_of"], {"key": key, "member": member, "topic": topic})
        return 0 if row is None else int(row["number"])


def _is_readable(key: str, value: object) -> bool:
    """Tell whether *value* has the type that the values of *key* have; the log names one that has not."""
    if value is None or (check := _CHECKS.get(key)) is None or check(value):
        return True
    report("kv", key, f"unexpected value of type {type(value).__name__}")
    return False


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_number(value: object) -> bool:
    return type(value) is int


def _has_texts(value: object) -> bool:
    return isinstance(value, dict) and all(each is None or isinstance(each, str) for each in value.values())


def _has_objects(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


def _has_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(type(each) is int for each in value.values())


def _has_versions(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    versions = [each for key, each in value.items() if key != "room"]
    return isinstance(value.get("room"), str | None) and all(isinstance(each, int | None) for each in versions)


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


#: Whether a value has the right type, by key.
_CHECKS: Mapping[str, Callable[[object], bool]] = {
    KeyValues.SPACE: _is_text,
    KeyValues.SPACE_NAMES: _has_texts,
    KeyValues.SPACE_INVITED: _are_texts,
    KeyValues.SPACE_TRUSTED: _is_text,
    KeyValues.SPACE_ROLES: _has_versions,
    KeyValues.LOBBY: _has_texts,
    KeyValues.SPACE_ALIAS: _is_text,
    KeyValues.ADMIN_ROOM: _is_text,
    KeyValues.TOLD_ADMINS: _are_texts,
    KeyValues.HELD_REPORTS: _has_objects,
    KeyValues.SWITCHES: _has_objects,
    KeyValues.UPSTREAMS: _are_objects,
    KeyValues.LOOKS: _is_number,
    KeyValues.CONFIRMED: _is_number,
    KeyValues.DONE: _has_numbers,
    KeyValues.LOOKS_OF: _has_numbers,
    KeyValues.LOOKED: _has_numbers,
    "avatar_bot": _is_text,
    KeyValues.SPACE_AVATAR: _is_text,
}
