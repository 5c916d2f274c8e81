"""Roles as power levels of rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.rooms.permissions import people_with
from agent_bridge.core.roles import Role
from agent_bridge.matrix.rooms import ADMIN_POWER, MODERATOR_POWER

if TYPE_CHECKING:
    from collections.abc import Mapping


def room_powers(bot: str, permissions: Mapping[str, Role]) -> dict[str, int]:
    """Return the power levels, by user id, of the *bot* and of the users that *permissions* names with a role."""
    moderators = dict.fromkeys(people_with(permissions, Role.MODERATOR), MODERATOR_POWER)
    admins = dict.fromkeys(people_with(permissions, Role.ADMIN), ADMIN_POWER)
    return moderators | admins | {bot: ADMIN_POWER}
