"""The present state of a room (spec, "Room state"), as pure functions of its state events."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from agent_bridge.matrix.rooms import ENCRYPTION, LEFT, REMOVED, SPACE, TOMBSTONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Room versions whose power levels list the creator; later ones put creators above all levels (MSC4289).
LISTED_CREATOR = frozenset(str(version) for version in range(1, 12))
#: Join rules with a list of rooms.
# A tuple: the rule may be anything, also a value that has no hash.
_RESTRICTED = ("restricted", "knock_restricted")
#: Level of a state event without its own level (spec, "m.room.power_levels").
_STATE_DEFAULT = 50
#: Level of the creator of a room without power levels (spec, "m.room.power_levels").
_CREATOR = 100


@dataclass(frozen=True, slots=True)
class RoomState:
    """The state events of a room. A value of the wrong type counts as missing."""

    room_id: str
    #: By type and state key.
    events: Mapping[tuple[str, str], Mapping[str, Any]]
    #: Whether the bridge has keys for encrypted rooms.
    has_keys: bool = False
    #: Whether the bridge takes encrypted messages only.
    requires_encryption: bool = False

    @classmethod
    def of(
        cls, room_id: str, events: Iterable[object], *, has_keys: bool = False, requires_encryption: bool = False
    ) -> Self:
        """Return the state that consists of *events*, without those that are not valid."""
        found = {
            (event["type"], event["state_key"]): event
            for event in events
            if isinstance(event, dict)
            and isinstance(event.get("type"), str)
            and isinstance(event.get("state_key"), str)
            and isinstance(event.get("content"), dict)
        }
        return cls(room_id, found, has_keys, requires_encryption)

    def content(self, kind: str, key: str = "") -> Mapping[str, Any]:
        """Return the content of a state event; empty without one."""
        event = self.events.get((kind, key))
        return {} if event is None else event["content"]

    def with_content(self, kind: str, content: Mapping[str, Any]) -> Self:
        """Return the state in which the state event *kind* has *content*."""
        event = {**self.events.get((kind, ""), {}), "content": content}
        return replace(self, events={**self.events, (kind, ""): event})

    def sender(self, kind: str, key: str = "") -> str | None:
        """Return the sender of a state event; None without one."""
        event = self.events.get((kind, key))
        return None if event is None else str(event.get("sender"))

    def membership(self, user_id: str) -> str | None:
        """Return the ``membership`` of a user; None if the user never had one."""
        return _text(self.content("m.room.member", user_id).get("membership"))

    def members(self, *memberships: str) -> frozenset[str]:
        """Return the user ids with one of *memberships*."""
        keys = (key for kind, key in self.events if kind == "m.room.member")
        return frozenset(key for key in keys if self.membership(key) in memberships)

    def is_removed(self, user_id: str) -> bool:
        """Tell whether another user removed *user_id* from the room, or took the invitation back.

        A user that lost the role of a member, or asked the bridge to leave, was not removed by a person, and may come
        back.
        """
        is_out = self.membership(user_id) in {"leave", "ban"}
        is_gone = self.lost_role(user_id) or self.asked_to_leave(user_id)
        return is_out and self.sender("m.room.member", user_id) != user_id and not is_gone

    def asked_to_leave(self, user_id: str) -> bool:
        """Tell whether the bridge removed *user_id* from the room because the user asked for it."""
        content = self.content("m.room.member", user_id)
        # A user who leaves chooses the content of the own event.
        is_own = self.sender("m.room.member", user_id) == user_id
        return content.get("membership") == "leave" and not is_own and content.get(LEFT) is True

    def lost_role(self, user_id: str) -> bool:
        """Tell whether the bridge removed *user_id* from the room because the user had no role any more."""
        return self.membership(user_id) == "leave" and self.content("m.room.member", user_id).get(REMOVED) is True

    @property
    def rooms_that_let_in(self) -> frozenset[str]:
        """The rooms whose members can enter this one (spec, "Restricted rooms")."""
        content = self.content("m.room.join_rules")
        allow = content.get("allow") if content.get("join_rule") in _RESTRICTED else None
        rules = [each for each in allow if isinstance(each, dict)] if isinstance(allow, list) else []
        found = (_text(each.get("room_id")) for each in rules if each.get("type") == "m.room_membership")
        return frozenset(room_id for room_id in found if room_id is not None)

    @property
    def replacement(self) -> str | None:
        """Return the room that replaces this one (``m.room.tombstone``); None if it was not upgraded.

        A room does not replace itself.
        """
        room_id = _text(self.content(TOMBSTONE).get("replacement_room"))
        return None if room_id == self.room_id else room_id

    @property
    def predecessor(self) -> str | None:
        """Return the room that this one replaces (``m.room.create``); None if it replaces none."""
        predecessor = self.content("m.room.create").get("predecessor")
        return _text(predecessor.get("room_id")) if isinstance(predecessor, dict) else None

    @property
    def is_encrypted(self) -> bool:
        """Tell whether clients encrypt the messages of the room."""
        return (ENCRYPTION, "") in self.events

    @property
    def is_illegible(self) -> bool:
        """Tell whether the bridge cannot read the messages of the room, because they are encrypted."""
        return self.is_encrypted and not self.has_keys

    @property
    def lacks_encryption(self) -> bool:
        """Tell whether the bridge takes no messages of the room, because they are not encrypted."""
        return self.requires_encryption and not self.is_encrypted

    @property
    def is_space(self) -> bool:
        """Tell whether the room is a Space."""
        return self.content("m.room.create").get("type") == SPACE

    @property
    def lists_creator(self) -> bool:
        """Tell whether the power levels list the creator."""
        return str(self.content("m.room.create").get("room_version", "1")) in LISTED_CREATOR

    @property
    def creators_above_levels(self) -> frozenset[str]:
        """The creators that are above all levels; the power levels must not list them. Empty up to room version 11."""
        if self.lists_creator:
            return frozenset()
        more = self.content("m.room.create").get("additional_creators")
        creators = [self.sender("m.room.create"), *(more if isinstance(more, list) else [])]
        return frozenset(user for user in creators if isinstance(user, str))

    @property
    def has_levels(self) -> bool:
        """Tell whether the room has power levels; a room that was left half-made may lack them."""
        return ("m.room.power_levels", "") in self.events

    def power(self, user_id: str) -> float:
        """Return the power level of a user; infinite for a creator of a room whose levels do not list creators."""
        if user_id in self.creators_above_levels:
            return math.inf
        if not self.has_levels:
            return _CREATOR if user_id == self.sender("m.room.create") else 0
        return self.user_levels.get(user_id, self.default_level)

    @property
    def user_levels(self) -> dict[str, int]:
        """The power levels of the users that the room lists."""
        return self._levels("users")

    @property
    def default_level(self) -> int:
        """The power level of the users that it does not list."""
        return _number(self.content("m.room.power_levels").get("users_default"), 0)

    def level(self, kind: str, *, state: bool = False) -> int:
        """Return the power level that an event of type *kind* needs."""
        default = "state_default" if state else "events_default"
        missing = _STATE_DEFAULT if state and self.has_levels else 0
        fallback = _number(self.content("m.room.power_levels").get(default), missing)
        return self._levels("events").get(kind, fallback)

    @property
    def invite_level(self) -> int:
        """The power level that an invitation needs."""
        return _number(self.content("m.room.power_levels").get("invite"), 0)

    def may_talk(self, user_id: str) -> bool:
        """Tell whether a member has the power to send messages."""
        return self.power(user_id) >= self.level("m.room.message")

    def may_set(self, user_id: str, kind: str) -> bool:
        """Tell whether a user is in the room and has the power to set state of type *kind*."""
        return self.membership(user_id) == "join" and self.power(user_id) >= self.level(kind, state=True)

    def editor(self, kind: str, *users: str) -> str:
        """Return the first of *users* that may set state of type *kind*; the first one if none may."""
        return next((user for user in users if self.may_set(user, kind)), users[0])

    def _levels(self, key: str) -> dict[str, int]:
        levels = self.content("m.room.power_levels").get(key)
        if not isinstance(levels, dict):
            return {}
        return {name: level for name, level in levels.items() if type(level) is int}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object, default: int) -> int:
    return value if type(value) is int else default
