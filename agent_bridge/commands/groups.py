"""Commands about rooms of several people or agents: which messages the agents answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.rooms.addressing import answer_mode
from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.commands.room_power import moderates
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import AgentAnswers, Answers, Group, NotPermitted
from agent_bridge.core.results.contexts import ContextRefusal, ContextRefused
from agent_bridge.core.rooms import AnswerMode, ParticipantState
from agent_bridge.store.agents import AgentRoom

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.rooms import Participant, Room
    from agent_bridge.store.postgres.database import Connection


@command("answer", group=Group.ROOM, permission=Permission.READ, where=Where.AGENT_ROOM, example="mention Ada")
async def answer(
    ctx: CommandContext, mode: AnswerMode | None = None, agent: AgentRoom | None = None
) -> Answers | ContextRefused | NotPermitted:
    """Set which messages of the room an agent answers, or show it for all of them.

    *agent*: the one whose message the command replies to, or the only one, if it is left out. Moderators change it.
    """
    replied_to = [] if ctx.reply_to is None else [ctx.reply_to]
    rooms = await ctx.services.rooms.contexts([ctx.room_id], replied_to=replied_to)
    room = rooms.get(ctx.room_id)
    present = [] if room is None else [each for each in room.participants if each.state is ParticipantState.JOINED]
    if room is None or not present:
        return ContextRefused(ContextRefusal.NO_AGENT)
    if mode is None:
        return Answers(tuple(AgentAnswers(_name(each), answer_mode(room, each)) for each in present))
    if not await moderates(ctx):
        return NotPermitted("answer", lowest_role(Permission.SETTINGS))
    if agent is not None and agent.agent.id not in {each.agent for each in present}:
        return ContextRefused(ContextRefusal.ABSENT, agent.agent.name)
    chosen = _chosen(ctx, room, present, None if agent is None else agent.agent.id)
    if chosen is None:
        return ContextRefused(ContextRefusal.UNNAMED)

    async def act(connection: Connection) -> Effect:
        await ctx.services.rooms.set_answers(connection, ctx.room_id, [chosen.agent], mode)
        return {"agent": _name(chosen)}

    effect = await once(ctx, act)
    return Answers((AgentAnswers(effect["agent"], mode),))


def _name(agent: Participant) -> str:
    return agent.names[0] if agent.names else agent.ghost


def _chosen(ctx: CommandContext, room: Room, present: list[Participant], agent: int | None) -> Participant | None:
    """Return the one of the agents *present* that the command is about; None if that is not certain."""
    if agent is None:
        agent = room.answered_by.get(ctx.reply_to or "")
    if agent is None and len(present) == 1:
        return present[0]
    return next((each for each in present if each.agent == agent), None)
