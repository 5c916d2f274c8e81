"""Events as the homeserver sends them, parsed: anything may stand in them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from agent_bridge.core.ids import MAX_ID_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping


_YEAR_10000 = 253_402_300_800_000
#: What nests in JSON, and strings, in which nothing does; one that is cut off reaches to the end.
_NESTING = re.compile(r'"events"\s*:\s*\[|"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)|[][{}]', re.DOTALL)
#: Bytes of what is no JSON that are searched for events; a transaction has up to 100 of 64 KiB.
_SEARCHED = 16 * 1024**2
#: Depths of a transaction's lists and of what stands in them.
_LIST, _ELEMENT = 2, 3


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
        return self._related("rel_type")

    @property
    def target(self) -> str | None:
        """Return the event that it relates to, None when it relates to nothing."""
        return self._related("event_id")

    @property
    def thread(self) -> str:
        """Return the root of the thread that it is in, empty when it is in none (spec, "Threading")."""
        root = self.target if self.relation == "m.thread" else None
        return root if root is not None and root.startswith("$") else ""

    @property
    def replies_to(self) -> str | None:
        """Return the event that its sender answers (spec, "Rich replies"); what clients add for old ones is none."""
        related = self.content.get("m.relates_to")
        if not isinstance(related, dict) or (self.thread and related.get("is_falling_back") is True):
            return None
        reply = related.get("m.in_reply_to")
        event_id = reply.get("event_id") if isinstance(reply, dict) else None
        return event_id if _is_id(event_id) else None

    @property
    def mentions(self) -> frozenset[str]:
        """Return the user ids that its sender mentions (spec, "User and room mentions": ``m.mentions``)."""
        mentions = self.content.get("m.mentions")
        user_ids = mentions.get("user_ids") if isinstance(mentions, dict) else None
        return frozenset(filter(_is_id, user_ids)) if isinstance(user_ids, list) else frozenset()

    @property
    def redacts(self) -> str | None:
        """Return the event that it redacts (spec, "Redactions": in the content, as of room version 11)."""
        event_id = self.content.get("redacts")
        return event_id if _is_id(event_id) else None

    def _related(self, key: str) -> str | None:
        related = self.content.get("m.relates_to")
        value = related.get(key) if isinstance(related, dict) else None
        return value if _is_id(value) else None


def _is_id(value: object) -> TypeGuard[str]:
    return _is_short(value) and bool(value)


def clean(text: str) -> str:
    """Return *text* with what PostgreSQL cannot store (NUL, lone surrogates) replaced by U+FFFD."""
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def content_today(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what *event* says as it was last changed (spec, "Server-side aggregation of m.replace relationships")."""
    relations = (event.get("unsigned") or {}).get("m.relations") or {}
    newest = ((relations.get("m.replace") or {}).get("content") or {}).get("m.new_content")
    content = newest if isinstance(newest, dict) else event.get("content")
    return content if isinstance(content, dict) else {}


def legible(value: object) -> str:
    """Return *value* as storable text for a person to read."""
    try:
        return repr(value)
    except RecursionError:
        return "nested too deep to be shown"


def parse_transaction(raw: bytes) -> tuple[list[object], str | None]:
    """Return what stands in the list ``events`` of a transaction, and why *raw* is none; None when it is one.

    Of what is no JSON, the events are returned that are JSON by themselves.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return _salvaged(raw[:_SEARCHED].decode("utf-8", "replace")), f"not JSON: {type(error).__name__}"
    events = body.get("events", []) if isinstance(body, dict) else None
    return (events, None) if isinstance(events, list) else ([], 'not an object with a list "events"')


def _salvaged(text: str) -> list[object]:
    found: list[object] = []
    depth, start, among_events = 0, 0, False
    for token in _NESTING.finditer(text):
        if token[0][-1] in "[{":
            depth += 1
            if depth == _LIST:
                # A list of that name further down was put there by whoever wrote the event around it.
                among_events = token[0].startswith('"')
            elif depth == _ELEMENT:
                start = token.start()
        elif token[0] in {"]", "}"}:
            if depth == _ELEMENT and among_events:
                found += _alone(text[start : token.end()])
            depth -= 1
    return found


def _alone(text: str) -> list[object]:
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return []


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
    if kind == "m.room.redaction" and "redacts" not in content:
        content = content | {"redacts": raw.get("redacts")}
    return RoomEvent(
        event_id=event_id,
        room_id=room_id,
        type=kind,
        sender=sender,
        state_key=state_key,
        content=content,
        timestamp=timestamp if type(timestamp) is int and 0 < timestamp < _YEAR_10000 else 0,
    )
