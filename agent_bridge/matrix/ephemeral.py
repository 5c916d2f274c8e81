"""The ephemeral events of a transaction (Matrix spec, "Pushing ephemeral data"): typing notifications and presence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.feed import LiveEvent, LiveType
from agent_bridge.core.json_pieces import load_pieces
from agent_bridge.core.names import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The name in the specification, and that of MSC2409, which Synapse uses.
_KEYS = ("ephemeral", "de.sorunome.msc2409.ephemeral")
#: Events of a transaction, users that type, and characters of an id and of a status.
_MOST, _USERS, _ID, _STATUS = 100, 50, 255, 200
_PRESENCES = frozenset({"online", "unavailable", "offline"})


def ephemeral_events(raw: bytes) -> list[LiveEvent]:
    """Return the events of the transaction *raw* that are valid; none if it is no JSON."""
    if b"ephemeral" not in raw:
        return []
    try:
        body = load_pieces(raw)
    except (ValueError, RecursionError):
        return []
    lists = [body.get(key) for key in _KEYS] if isinstance(body, dict) else []
    found = next((each for each in lists if isinstance(each, list)), [])
    parsed = [_parsed(each) for each in found[:_MOST] if isinstance(each, dict)]
    return [each for each in parsed if each is not None]


def _parsed(event: Mapping[str, Any]) -> LiveEvent | None:
    content = event.get("content")
    if not isinstance(content, dict):
        return None
    if event.get("type") == "m.typing":
        room_id, users = event.get("room_id"), content.get("user_ids")
        if not (_is_id(room_id) and isinstance(users, list)):
            return None
        return LiveEvent(type=LiveType.TYPING, room_id=room_id, typing=tuple(filter(_is_id, users[:_USERS])))
    user_id, presence = event.get("sender"), content.get("presence")
    if event.get("type") != "m.presence" or not _is_id(user_id) or presence not in _PRESENCES:
        return None
    status = content.get("status_msg")
    shown = one_line(status)[:_STATUS] if isinstance(status, str) else ""
    return LiveEvent(type=LiveType.PRESENCE, user_id=user_id, presence=presence, status=shown)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _ID and value.isprintable()
