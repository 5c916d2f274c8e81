"""Roles as power levels of rooms, and the levels that a room of the bridge needs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.rooms.permissions import people_with
from agent_bridge.core.roles import Role
from agent_bridge.matrix.rooms import ADMIN_POWER, ENCRYPTION, GUESTS, MODERATOR_POWER, OUT_OF_REACH, event_levels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState


def room_powers(bot: str, permissions: Mapping[str, Role]) -> dict[str, int]:
    """Return the power levels, by user id, of the *bot* and of the users that *permissions* names with a role."""
    moderators = dict.fromkeys(people_with(permissions, Role.MODERATOR), MODERATOR_POWER)
    admins = dict.fromkeys(people_with(permissions, Role.ADMIN), ADMIN_POWER)
    return moderators | admins | {bot: ADMIN_POWER}


def repaired_levels(
    state: RoomState, bot: str, powers: Mapping[str, int], speaker: str | None = None
) -> tuple[str, dict[str, Any]] | None:
    """Return the user that repairs the levels of a room, and the content of ``m.room.power_levels``; None if no repair.

    The *bot* administers the room, as the creator gave it the *powers*. The *speaker* may send messages. Members
    without the power of a moderator invite nobody. Where the creator is above all levels, nobody else switches
    encryption on. A room that was left half-made gets all levels. All other levels stay as they are: people may have
    chosen them. Changes that the homeserver refuses to the user are left out (spec, "Authorization rules").
    """
    editor = _strongest(state, [bot] if speaker is None else [speaker, bot])
    # The first levels of a room can be any.
    power = state.power(editor) if state.has_levels else math.inf
    found = state.content("m.room.power_levels")
    wanted = dict(powers) if state.power(bot) < ADMIN_POWER or not state.has_levels else {}
    if speaker is not None and (not state.may_talk(speaker) or (state.lists_creator and not state.has_levels)):
        wanted[speaker] = ADMIN_POWER
    levels = dict(found) | {"users": _raised(state, wanted, power)}
    if state.invite_level < MODERATOR_POWER <= power:
        levels["invite"] = MODERATOR_POWER
    if not state.has_levels:
        levels["events"] = event_levels(lists_creator=state.lists_creator)
    elif power >= OUT_OF_REACH > state.level(ENCRYPTION, state=True) and not state.is_encrypted:
        levels["events"] = _object(found.get("events")) | {ENCRYPTION: OUT_OF_REACH}
    return None if levels == found else (editor, levels)


async def repair_access(homeserver: Homeserver, state: RoomState, powers: Mapping[str, int]) -> None:
    """Repair the power levels of a room of the bot, and keep guests out.

    Raises:
        HomeserverRefused: the bot has not the power for it.
    """
    repair = repaired_levels(state, homeserver.namespace.bot, powers)
    if repair is not None:
        await homeserver.set_state(state.room_id, "m.room.power_levels", repair[1])
    if state.content(GUESTS).get("guest_access") == "can_join":
        await homeserver.set_state(state.room_id, GUESTS, {"guest_access": "forbidden"})


def _strongest(state: RoomState, users: Sequence[str]) -> str:
    """Return the one of *users* with the most power, of those in the room; the first one of several."""
    return max(users, key=lambda user: (state.membership(user) == "join", state.power(user)))


def _raised(state: RoomState, wanted: Mapping[str, int], power: float) -> dict[str, Any]:
    """Return the levels of all users, those of *wanted* raised as far as a user of *power* can do it."""
    changes: dict[str, Any] = {}
    for user, level in wanted.items():
        reachable = int(min(level, power))
        is_lower = not state.has_levels or state.power(user) < reachable
        if is_lower and user not in state.creators_above_levels:
            changes[user] = reachable
    return _object(state.content("m.room.power_levels").get("users")) | changes


def _object(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
