"""Bodies of ``POST /createRoom`` and contents of state events, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Power level of the bridge bot and of admins.
ADMIN_POWER = 100
#: Power level of moderators.
MODERATOR_POWER = 50


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """The part of a new room that is common to all kinds of rooms."""

    #: Localpart of the alias.
    alias: str
    name: str
    topic: str
    #: User id of the creator.
    creator: str
    #: Whether the power levels of this room version list the creator.
    lists_creator: bool
    #: Power levels of the other users, by user id.
    powers: Mapping[str, int]
    #: Room version; None: the default of the homeserver.
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


def portal_content(plan: RoomPlan, *, bot: str, space: str | None, domain: str) -> dict[str, Any]:
    """Return the body that creates an agent's room, with its complete state and an invitation of the bot."""
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
    """Return the body that creates the Space, in which only admins can send messages."""
    content = plan.content() | {"creation_content": {"type": "m.space"}}
    content["power_level_content_override"]["events_default"] = ADMIN_POWER
    return content


def child_content(domain: str, order: int) -> dict[str, Any]:
    """Return the content of ``m.space.child``; *order* is the position of the room."""
    return {"via": [domain], "suggested": True, "order": f"{order:08d}"}
