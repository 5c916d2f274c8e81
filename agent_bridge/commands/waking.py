"""The room and the agent that a trigger or a schedule wakes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import the_agent
from agent_bridge.commands.lookup import visible_agents
from agent_bridge.core.rooms import ParticipantState

if TYPE_CHECKING:
    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.results.commands import Argument
    from agent_bridge.store.agents import AgentRoom


class NoPlace(StrEnum):
    """Why there is no such room."""

    #: Several agents are in the room, or none, and the caller has named none of them.
    WHICH_AGENT = "which_agent"
    #: The named agent is not in the room, or has no room.
    NOT_THERE = "not_there"
    #: The caller is not in the room of the agent.
    NOT_A_MEMBER = "not_a_member"


@dataclass(frozen=True, slots=True)
class WakingPlace:
    """A room, and an agent in it."""

    room_id: str
    agent: Agent


async def waking_place(ctx: CommandContext, named: str, argument: Argument) -> WakingPlace | tuple[NoPlace, str]:
    """Return the agent that the caller means by *named*, perhaps empty, and its room: this one, or its home.

    There may be none: the reason, and the name of the agent.

    Raises:
        ArgumentError: *named* means no agent, or several.
    """
    services, visible = ctx.services, await visible_agents(ctx)
    there = await agents_here(ctx, visible)
    if there is not None:
        if named:
            chosen = await the_agent(argument, named, visible, services.namespace.domain)
            return WakingPlace(ctx.room_id, chosen.agent) if chosen in there else (NoPlace.NOT_THERE, named)
        return WakingPlace(ctx.room_id, there[0].agent) if len(there) == 1 else (NoPlace.WHICH_AGENT, "")
    if named:
        chosen = await the_agent(argument, named, visible, services.namespace.domain)
    else:
        selected = (await services.selections.selected([ctx.sender])).get(ctx.sender)
        found = [each for each in visible if each.agent.id == selected]
        if not found:
            return NoPlace.WHICH_AGENT, ""
        chosen = found[0]
    agent, home = chosen.agent, chosen.home.room_id
    if home is None or agent.state.is_at_rest:
        return NoPlace.NOT_THERE, agent.name
    ghost = services.namespace.user_id(agent.ghost)
    if await services.homeserver.membership(home, ctx.sender, ghost) != "join":
        return NoPlace.NOT_A_MEMBER, agent.name
    return WakingPlace(home, agent)


async def agents_here(ctx: CommandContext, visible: list[AgentRoom]) -> list[AgentRoom] | None:
    """Return those of *visible* that are in the room of the command; None: it is no room of agents."""
    room = (await ctx.services.rooms.contexts([ctx.room_id])).get(ctx.room_id)
    if room is None or not room.participants:
        return None
    present = {each.agent for each in room.participants if each.state is ParticipantState.JOINED and not each.is_gone}
    return [each for each in visible if each.agent.id in present]
