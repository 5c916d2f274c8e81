"""The problems of an agent's room: a pure comparison of its state with the desired one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.matrix.rooms import GUESTS, MODERATOR_POWER

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from agent_bridge.matrix.room_state import RoomState


def problems_of(state: RoomState, ghost: str, bot: str) -> list[RoomProblem]:
    """Return the problems that the *state* of a room shows. *ghost* and *bot* are user ids."""
    found: list[RoomProblem] = []
    if state.replacement is not None:
        found.append(RoomProblem.SUCCESSOR_CLOSED)
    match state.membership(ghost):
        case "join" if not state.may_talk(ghost):
            found.append(RoomProblem.GHOST_MUTED)
        case "join":
            pass
        case "ban":
            found.append(RoomProblem.GHOST_BANNED)
        case _:
            found.append(RoomProblem.GHOST_AWAY)
    if state.membership(bot) != "join":
        found.append(RoomProblem.BOT_AWAY)
    if state.is_illegible:
        found.append(RoomProblem.ENCRYPTED)
    if state.lacks_encryption:
        found.append(RoomProblem.NOT_ENCRYPTED)
    if is_open(state):
        found.append(RoomProblem.OPEN_DOOR)
    return found


def is_open(state: RoomState) -> bool:
    """Tell whether members without the power of a moderator can let others in, or guests can enter."""
    guests = state.content(GUESTS).get("guest_access") == "can_join"
    return guests or state.invite_level < MODERATOR_POWER


def strangers_in(space: RoomState, roles: Roles, config: Config) -> list[str]:
    """Return the members and the invited users of *space* without a role, except those in ``rooms.invite``."""
    return sorted(
        user
        for user in space.members("join", "invite")
        if not config.namespace.is_ours(user) and user not in config.rooms.invite and roles.of(user) is Role.NONE
    )
