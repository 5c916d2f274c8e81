"""The right to change a room: moderators of the bridge have it everywhere, people with power in the room there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import ParticipantState
from agent_bridge.matrix.rooms import MODERATOR_POWER

if TYPE_CHECKING:
    from agent_bridge.commands.registry import CommandContext


async def moderates(ctx: CommandContext) -> bool:
    """Tell whether the caller is a moderator by the role, or by the power in the room, which has an agent.

    Raises:
        HomeserverError: the power cannot be read.
    """
    if ctx.role >= Role.MODERATOR:
        return True
    room = (await ctx.services.rooms.contexts([ctx.room_id])).get(ctx.room_id)
    agents = () if room is None else room.participants
    namespace = ctx.services.namespace
    ghosts = [namespace.user_id(each.ghost) for each in agents if each.state is ParticipantState.JOINED]
    for reader in (namespace.bot, *ghosts):
        state = await ctx.services.homeserver.room_state(ctx.room_id, reader)
        if state is not None:
            return state.power(ctx.sender) >= MODERATOR_POWER
    return False
