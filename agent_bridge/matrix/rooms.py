"""What the rooms are made with: bodies of ``POST /createRoom``, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Power of the bridge bot, and of people who administer the bridge.
ADMIN_POWER = 100
#: Power of people who moderate.
MODERATOR_POWER = 50


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """What a new room needs whatever it is for."""

    #: Localpart of its alias.
    alias: str
    name: str
    topic: str
    #: User id of its creator.
    creator: str
    #: Whether this room version's power levels list the creator.
    lists_creator: bool
    #: Power of everybody else who has some.
    powers: Mapping[str, int]
    #: Room version, None for the homeserver's default.
    version: str | None = None

    def content(self) -> dict[str, Any]:
        """Return the part of the body that is common to all rooms."""
        users = {user: power for user, power in self.powers.items() if user != self.creator}
        if self.lists_creator:
            users[self.creator] = ADMIN_POWER
        content: dict[str, Any] = {
            "preset": "private_chat",
            "visibility": "private",
            "room_alias_name": self.alias,
            "name": self.name,
            "topic": self.topic,
            "power_level_content_override": {"users": users},
        }
        if self.version is not None:
            content["room_version"] = self.version
        return content


def home_content(plan: RoomPlan, *, bot: str, space: str | None, domain: str) -> dict[str, Any]:
    """Return the body that makes an agent's room: everything in it from its first moment, the bot invited."""
    content = plan.content() | {"invite": [bot]}
    if space is not None:
        parent = {
            "type": "m.space.parent",
            "state_key": space,
            "content": {"via": [domain], "canonical": True},
        }
        content["initial_state"] = [parent]
    return content


def space_content(plan: RoomPlan) -> dict[str, Any]:
    """Return the body that makes the Space: a room in which nobody chats."""
    content = plan.content() | {"creation_content": {"type": "m.space"}}
    content["power_level_content_override"]["events_default"] = ADMIN_POWER
    return content


def child_content(domain: str, order: int) -> dict[str, Any]:
    """Return the content of ``m.space.child`` for the room that comes *order*-th."""
    return {"via": [domain], "suggested": True, "order": f"{order:08d}"}
