"""Events as the homeserver sends them, parsed: anything may stand in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.ids import MAX_ID_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping


_YEAR_10000 = 253_402_300_800_000


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """An event of a room, as far as the bridge looks at it."""

    event_id: str
    room_id: str
    type: str
    sender: str
    #: None for an event that is not state.
    state_key: str | None
    content: Mapping[str, Any]
    #: Milliseconds since 1970, by the sender's homeserver; 0 when it said none, or none that can be.
    timestamp: int

    def text(self, key: str) -> str | None:
        """Return ``content[key]`` as storable text, None when it is no string."""
        value = self.content.get(key)
        return clean(value) if isinstance(value, str) else None

    @property
    def relation(self) -> str | None:
        """Return ``rel_type`` of what it relates to, None when it relates to nothing."""
        related = self.content.get("m.relates_to")
        kind = related.get("rel_type") if isinstance(related, dict) else None
        return kind if isinstance(kind, str) else None


def clean(text: str) -> str:
    """Return *text* with what PostgreSQL cannot store (NUL, lone surrogates) replaced by U+FFFD."""
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_short(value: object) -> bool:
    """Tell whether *value* is storable text within the spec's length for ids, types and state keys."""
    return isinstance(value, str) and len(value) <= MAX_ID_BYTES and value == clean(value)


def parse_event(raw: object) -> RoomEvent | None:
    """Return the event, None when it lacks what every room event has or has it in the wrong type."""
    if not isinstance(raw, dict):
        return None
    strings = [raw.get(key) for key in ("event_id", "room_id", "type", "sender")]
    content, state_key, timestamp = raw.get("content"), raw.get("state_key"), raw.get("origin_server_ts")
    if not all(_is_short(value) and value for value in strings):
        return None
    if not isinstance(content, dict) or not (state_key is None or _is_short(state_key)):
        return None
    event_id, room_id, kind, sender = (str(value) for value in strings)
    return RoomEvent(
        event_id=event_id,
        room_id=room_id,
        type=kind,
        sender=sender,
        state_key=state_key,
        content=content,
        timestamp=timestamp if type(timestamp) is int and 0 < timestamp < _YEAR_10000 else 0,
    )
