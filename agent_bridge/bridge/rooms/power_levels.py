"""Roles as power levels of rooms, and the levels that a room of the bridge needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.rooms.permissions import people_with
from agent_bridge.core.roles import Role
from agent_bridge.matrix.rooms import ADMIN_POWER, ENCRYPTION, MODERATOR_POWER, OUT_OF_REACH, event_levels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.matrix.room_state import RoomState


def room_powers(bot: str, permissions: Mapping[str, Role]) -> dict[str, int]:
    """Return the power levels, by user id, of the *bot* and of the users that *permissions* names with a role."""
    moderators = dict.fromkeys(people_with(permissions, Role.MODERATOR), MODERATOR_POWER)
    admins = dict.fromkeys(people_with(permissions, Role.ADMIN), ADMIN_POWER)
    return moderators | admins | {bot: ADMIN_POWER}


def repaired_levels(
    state: RoomState, bot: str, powers: Mapping[str, int], speaker: str | None = None
) -> dict[str, Any] | None:
    """Return the content of ``m.room.power_levels`` that repairs the levels of a room; None if they are correct.

    The *bot* administers the room, as the creator gave it the *powers*. The *speaker* may send messages. Members
    without the power of a moderator invite nobody. Where the creator is above all levels, nobody else switches
    encryption on. A room that was left half-made gets all levels. All other levels stay as they
    are: people may have chosen them.
    """
    found = state.content("m.room.power_levels")
    levels = dict(found)
    users = found.get("users")
    users = dict(users) if isinstance(users, dict) else {}
    if state.power(bot) < ADMIN_POWER:
        users |= powers
    if speaker is not None and (not state.may_talk(speaker) or (state.lists_creator and not state.has_levels)):
        users[speaker] = ADMIN_POWER
    levels["users"] = users
    levels["invite"] = max(state.invite_level, MODERATOR_POWER)
    if not state.has_levels:
        levels["events"] = event_levels(lists_creator=state.lists_creator)
    elif not state.lists_creator and not state.is_encrypted:
        events = found.get("events")
        levels["events"] = (events if isinstance(events, dict) else {}) | {ENCRYPTION: OUT_OF_REACH}
    return None if levels == found else levels
