"""The rooms of a fake homeserver, in little memory: state events as bytes, and the newest events of each room."""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Event = dict[str, Any]

#: Version of new rooms. Its power levels list the creator.
VERSION = "10"
#: Newest events that a room keeps.
_NEWEST = 20
_MEMBER = "m.room.member"
#: Types whose events the request for a room brings about by fields of their own.
_FROM_FIELDS = {"name": "m.room.name", "topic": "m.room.topic"}
#: State of the preset ``public_chat``.
_PRESET = {
    "m.room.join_rules": {"join_rule": "public"},
    "m.room.history_visibility": {"history_visibility": "shared"},
}
_LEVELS = {
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "kick": 50,
    "redact": 50,
    "invite": 50,
}

_numbers = itertools.count(1)


class Refused(Exception):
    """A refusal in the shape of the specification."""

    def __init__(self, status: int, errcode: str, error: str = "refused") -> None:
        super().__init__(error)
        self.status = status
        self.errcode = errcode


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a user; *path* is the part of it that is left to look at."""

    method: str
    path: list[str]
    user: str
    query: Mapping[str, str]
    body: dict[str, Any]


class FakeRoom:
    """One room. *sees* gets each of its events, as bytes."""

    __slots__ = ("_sees", "members", "newest", "room_id", "state")

    def __init__(self, room_id: str, sees: Callable[[bytes], None]) -> None:
        self.room_id = room_id
        self._sees = sees
        #: Memberships, by user id.
        self.members: dict[str, str] = {}
        #: State events, by type and state key.
        self.state: dict[tuple[str, str], bytes] = {}
        self.newest: deque[bytes] = deque(maxlen=_NEWEST)

    def add(self, sender: str, kind: str, content: Mapping[str, Any], key: str | None = None) -> str:
        """Add an event, with *key* a state event, and return its id."""
        event: Event = {"type": kind, "sender": sender, "content": content, "room_id": self.room_id}
        event_id = event["event_id"] = f"$fake{next(_numbers)}"
        event["origin_server_ts"] = int(time.time() * 1000)
        if key is not None:
            event["state_key"] = key
        raw = json.dumps(event, separators=(",", ":")).encode()
        if key is not None:
            self.state[kind, key] = raw
        if kind == _MEMBER and key is not None:
            self.members[key] = content["membership"]
        self.newest.append(raw)
        self._sees(raw)
        return event_id

    def enter(self, user_id: str, profile: Mapping[str, str], sender: str | None = None) -> None:
        """Have a user join, or with *sender* be invited."""
        membership = "join" if sender is None else "invite"
        self.add(sender or user_id, _MEMBER, {"membership": membership, **profile}, user_id)

    def events(self, only: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the newest events that the filter *only* lets through, newest first."""
        types, senders, not_senders = only.get("types"), only.get("senders"), only.get("not_senders", ())
        for raw in reversed(self.newest):
            event = json.loads(raw)
            is_by = event["sender"] not in not_senders and (senders is None or event["sender"] in senders)
            if is_by and (types is None or event["type"] in types):
                yield event


def make(room: FakeRoom, creator: str, body: Mapping[str, Any], alias: str | None, profile: Mapping[str, str]) -> None:
    """Fill a new room with the state that *body*, of ``POST /createRoom``, asks for."""
    create = {"room_version": body.get("room_version", VERSION), "creator": creator, **body.get("creation_content", {})}
    room.add(creator, "m.room.create", create, "")
    room.enter(creator, profile)
    levels = {**_LEVELS, "users": {creator: 100}, **body.get("power_level_content_override", {})}
    room.add(creator, "m.room.power_levels", levels, "")
    state = {(kind, ""): content for kind, content in _PRESET.items()}
    if alias is not None:
        state["m.room.canonical_alias", ""] = {"alias": alias}
    for each in body.get("initial_state", ()):
        state[each["type"], each.get("state_key", "")] = each["content"]
    state |= {(kind, ""): {field: body[field]} for field, kind in _FROM_FIELDS.items() if field in body}
    for (kind, key), content in state.items():
        room.add(creator, kind, content, key)
