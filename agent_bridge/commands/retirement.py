"""The command ``retire``: puts an agent away, and brings it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import WholeAgent
from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.retirement import AgentRetired, AgentReturned, NotRetired, RetirementAsked
from agent_bridge.core.rooms import ChoiceKind

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.postgres.database import Connection

#: Seconds that the command waits for the leader's look at the upstream.
_PATIENCE = 30.0


@command("retire", group=Group.AGENTS, permission=Permission.CHANNELS, example="Ada back")
async def retire(
    ctx: CommandContext, agent: WholeAgent, *, back: bool = False
) -> AgentRetired | RetirementAsked | AgentReturned | NotRetired:
    """Retire *agent*, also one that its upstream lists; with *back* take it out of its retirement.

    If the configuration has rooms of retired agents deleted, an owner is asked to confirm that, by the command ``yes``.
    Without the permission for that, the room is put away. Running twice has the effect of the first run.
    """
    services, name = ctx.services, agent.agent.name
    if back:
        return await _back(ctx, agent)
    asks = services.deletes_retired.value and ctx.can(Permission.OWN) and agent.home.room_id is not None

    async def act(connection: Connection) -> Effect:
        if asks:
            # One question at a time waits for the confirmation.
            for kind in (ChoiceKind.DELETE, ChoiceKind.ERASE):
                await services.choices.forget(connection, ctx.sender, kind)
            await services.choices.show(
                connection,
                ctx.sender,
                ChoiceKind.RETIRE,
                [agent.agent.id],
                room_id=ctx.room_id,
                thread=ctx.thread,
                turn=ctx.turn,
            )
        else:
            await services.retirement.retire(connection, agent.agent.id, ctx.sender)
        return {"asks": asks}

    effect = await once(ctx, act)
    return RetirementAsked(name) if effect["asks"] else AgentRetired(name)


async def _back(ctx: CommandContext, agent: AgentRoom) -> AgentReturned | NotRetired:
    services, name = ctx.services, agent.agent.name

    async def act(connection: Connection) -> Effect:
        return {"was_retired": await services.retirement.back(connection, agent.agent.id)}

    effect = await once(ctx, act)
    if not effect["was_retired"]:
        return NotRetired(name)
    if agent.agent.entry is None:
        await services.upstream_status.ask(confirmed=False, within=_PATIENCE)
    found = await services.agents.by_agent(agent.agent.id)
    return AgentReturned(name, is_listed=found.agent.state is AgentState.ACTIVE)
