"""Parses the events that the homeserver sends. Every field may be missing or have the wrong type."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeGuard

from agent_bridge.core.ids import MARK, MAX_ID_BYTES
from agent_bridge.core.json_pieces import load_piece, load_pieces

if TYPE_CHECKING:
    from collections.abc import Mapping


_YEAR_10000 = 253_402_300_800_000
#: Brackets, strings (their brackets do not nest; an unterminated string reaches to the end), and the key ``events``.
_NESTING = re.compile(r'"events"\s*:\s*\[|"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)|[][{}]', re.DOTALL)
#: Bytes of invalid JSON that are searched for events; a transaction has up to 100 events of 64 KiB.
_SEARCHED = 16 * 1024**2
#: Brackets and strings that are looked at, and elements that are read: a homeserver sends at most 100 events.
_TOKENS, _SALVAGED = 4_000_000, 300
#: Key of the ``unsigned`` data, which no sender writes, of an event that the bridge has decrypted.
OPENED = "agent_bridge.opened"
#: The types of the events that show an answer.
_MARKED = ("m.room.message", "m.reaction", "m.room.encrypted")
#: Nesting depths of the lists of a transaction, and of their elements.
_LIST, _ELEMENT = 2, 3


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """The fields of a room event that the bridge uses."""

    event_id: str
    room_id: str
    type: str
    sender: str
    #: None for an event that is not state.
    state_key: str | None
    content: Mapping[str, Any]
    #: Milliseconds since 1970; 0 if missing or impossible. See :func:`parse_event`.
    timestamp: int
    #: The event that redacted it; None if it was not redacted.
    redacted_by: str | None = None
    #: Whether it is the membership of a user who had joined the room before it.
    was_joined: bool = False
    #: Whether a user of the bridge has sent it for the person *sender*, whose program asked for it.
    is_relayed: bool = False
    #: Whether it was encrypted.
    was_encrypted: bool = False

    def text(self, key: str) -> str | None:
        """Return ``content[key]`` as storable text; None if it is not a string."""
        value = self.content.get(key)
        return clean(value) if isinstance(value, str) else None

    @property
    def relation(self) -> str | None:
        """Return the ``rel_type`` of its relation; None without a relation."""
        return self._related("rel_type")

    @property
    def target(self) -> str | None:
        """Return the event to which it relates; None without a relation."""
        return self._related("event_id")

    @property
    def thread(self) -> str:
        """Return the root of its thread; empty outside threads (spec, "Threading")."""
        root = self.target if self.relation == "m.thread" else None
        return root if root is not None and root.startswith("$") else ""

    @property
    def replies_to(self) -> str | None:
        """Return the event to which its sender replies (spec, "Rich replies"), ignoring the fallback of threads."""
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
        """Return the event that it redacts (spec, "Redactions": in the content as of room version 11)."""
        event_id = self.content.get("redacts")
        return event_id if _is_id(event_id) else None

    def _related(self, key: str) -> str | None:
        related = self.content.get("m.relates_to")
        value = related.get(key) if isinstance(related, dict) else None
        return value if _is_id(value) else None


def _is_id(value: object) -> TypeGuard[str]:
    return _is_short(value) and bool(value)


def clean(text: str) -> str:
    """Return *text* with the characters that PostgreSQL cannot store (NUL, lone surrogates) replaced by U+FFFD."""
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def content_today(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the newest content of *event*."""
    edit = newest_edit(event)
    content = event.get("content") if edit is None else edit["content"]["m.new_content"]
    return content if isinstance(content, dict) else {}


def newest_edit(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the edit with the newest content of *event*, by its sender (spec, "Server-side aggregation of m.replace").

    None: the event was not edited.
    """
    unsigned = event.get("unsigned")
    relations = unsigned.get("m.relations") if isinstance(unsigned, dict) else None
    edit = relations.get("m.replace") if isinstance(relations, dict) else None
    if not isinstance(edit, dict) or edit.get("sender", event.get("sender")) != event.get("sender"):
        return None
    content = edit.get("content")
    return edit if isinstance(content, dict) and isinstance(content.get("m.new_content"), dict) else None


def mark_of(event: Mapping[str, Any]) -> str:
    """Return the mark of an *event* that shows a part of an answer; empty for others, and for edits.

    Every user can put a mark into an event: compare the sender.
    """
    content = event.get("content", {})
    related = content.get("m.relates_to")
    is_edit = "m.new_content" in content or (isinstance(related, dict) and related.get("rel_type") == "m.replace")
    found = "" if event.get("type") not in _MARKED or is_edit else content.get(MARK)
    return found if isinstance(found, str) else ""


def legible(value: object) -> str:
    """Return *value* as readable and storable text."""
    try:
        return repr(value)
    except RecursionError:
        return "nested too deeply"


def parse_transaction(raw: bytes) -> tuple[list[object], str | None]:
    """Return the elements of the list ``events`` of a transaction, and the fault of *raw* (None: valid).

    If *raw* is not JSON, the first elements that are valid JSON objects are returned.
    """
    try:
        body = load_pieces(raw)
    except (ValueError, RecursionError) as error:
        return _salvaged(raw[:_SEARCHED].decode("utf-8", "replace")), f"not JSON: {type(error).__name__}"
    events = body.get("events", []) if isinstance(body, dict) else None
    return (events, None) if isinstance(events, list) else ([], 'not an object with a list "events"')


def _salvaged(text: str) -> list[object]:
    found: list[object] = []
    depth, start, among_events, read = 0, 0, False, 0
    for token in islice(_NESTING.finditer(text), _TOKENS):
        if token[0][-1] in "[{":
            depth += 1
            if depth == _LIST:
                # A list of this name at a lower level is part of an event.
                among_events = token[0].startswith('"')
            elif depth == _ELEMENT:
                start = token.start()
        elif token[0] in {"]", "}"}:
            if depth == _ELEMENT and among_events:
                found += _alone(text[start : token.end()])
                read += 1
                if read == _SALVAGED:
                    break
            depth -= 1
    return found


def _alone(text: str) -> list[object]:
    try:
        return [load_piece(text)]
    except (ValueError, RecursionError):
        return []


def _is_short(value: object) -> bool:
    """Tell whether *value* is storable text within the spec's length for ids, types and state keys."""
    return isinstance(value, str) and len(value) <= MAX_ID_BYTES and value == clean(value)


def parse_event(raw: object) -> RoomEvent | None:
    """Return the event; None if a required field is missing or has the wrong type.

    Its time is the one by the clock of the sender's homeserver. If that clock is slow, ``unsigned.age`` gives the time:
    homeservers measure it without a comparison of clocks.
    """
    if not isinstance(raw, dict):
        return None
    strings = [raw.get(key) for key in ("event_id", "room_id", "type", "sender")]
    content, state_key = raw.get("content"), raw.get("state_key")
    if not all(_is_short(value) and value for value in strings):
        return None
    if not isinstance(content, dict) or not (state_key is None or _is_short(state_key)):
        return None
    event_id, room_id, kind, sender = (str(value) for value in strings)
    if kind == "m.room.redaction" and raw.get("redacts") is not None:
        # Up to room version 10 the homeserver authorises this field alone; a sender may put another into the content.
        content = content | {"redacts": raw["redacts"]}
    return RoomEvent(
        event_id=event_id,
        room_id=room_id,
        type=kind,
        sender=sender,
        state_key=state_key,
        content=content,
        timestamp=_timestamp(raw.get("origin_server_ts"), raw.get("unsigned")),
        redacted_by=_redacted_by(raw.get("unsigned")),
        was_joined=kind == "m.room.member" and _was_joined(raw.get("unsigned")),
        was_encrypted=_was_encrypted(raw.get("unsigned")),
    )


def _timestamp(sent: object, unsigned: object) -> int:
    if type(sent) is not int or not 0 < sent < _YEAR_10000:
        return 0
    age = unsigned.get("age") if isinstance(unsigned, dict) else None
    return max(sent, int(time.time() * 1000) - age) if type(age) is int and age >= 0 else sent


def _was_encrypted(unsigned: object) -> bool:
    return isinstance(unsigned, dict) and unsigned.get(OPENED) is True


def _redacted_by(unsigned: object) -> str | None:
    """Return the event that redacted the event with *unsigned* data (spec, ``redacted_because``)."""
    because = unsigned.get("redacted_because") if isinstance(unsigned, dict) else None
    event_id = because.get("event_id") if isinstance(because, dict) else None
    return event_id if _is_id(event_id) else None


def _was_joined(unsigned: object) -> bool:
    """Tell whether the membership before an event with *unsigned* data was ``join`` (spec, ``prev_content``)."""
    before = unsigned.get("prev_content") if isinstance(unsigned, dict) else None
    return isinstance(before, dict) and before.get("membership") == "join"
