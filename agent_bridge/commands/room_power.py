"""The right to change a room: by the role, and by the power in a room that people made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.rooms.kinds import is_made
from agent_bridge.core.permissions import Permission
from agent_bridge.core.rooms import ParticipantState
from agent_bridge.matrix.rooms import MODERATOR_POWER

if TYPE_CHECKING:
    from agent_bridge.commands.registry import CommandContext


async def moderates(ctx: CommandContext) -> bool:
    """Tell whether the caller may change the room, which has an agent: by the role, or by the power in the room.

    In the rooms that the bridge makes, the power follows the role, and a power that somebody else gave does not count.

    Raises:
        HomeserverError: the power cannot be read.
    """
    if ctx.can(Permission.SETTINGS):
        return True
    room = (await ctx.services.rooms.contexts([ctx.room_id])).get(ctx.room_id)
    if room is None or is_made(room):
        return False
    namespace = ctx.services.namespace
    ghosts = [namespace.user_id(each.ghost) for each in room.participants if each.state is ParticipantState.JOINED]
    for reader in (namespace.bot, *ghosts):
        state = await ctx.services.homeserver.room_state(ctx.room_id, reader)
        if state is not None:
            return state.power(ctx.sender) >= MODERATOR_POWER
    return False
