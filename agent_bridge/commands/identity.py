"""The command ``same``: an operator tells which agent of a list an agent's room belongs to."""

from __future__ import annotations

from agent_bridge.commands.argument_kinds import AgentName, OneAgent
from agent_bridge.commands.entries import agent_entry
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group, HasEntry, NotReconnected, Reconnected

#: Seconds that the command waits for the leader's look at the upstream.
_PATIENCE = 30.0


@command("same", group=Group.AGENTS, permission=Permission.OPERATE, example="Ada Beatrice")
async def same(ctx: CommandContext, old: OneAgent, new: AgentName) -> Reconnected | NotReconnected | HasEntry:
    """Give the room of *old* to the agent that its upstream lists as *new*.

    An agent of the configuration keeps the model of its entry. If *new* has a room, that agent counts as gone. Running
    twice has no other effect.
    """
    services, upstream = ctx.services, old.agent.upstream
    if old.agent.entry is not None:
        return HasEntry(old.agent.name)
    listed = [each.agent for each in await services.agents.of_upstream(upstream) if each.agent.entry is None]
    others = [agent for agent in listed if agent.id != old.agent.id]
    twin = next((each for each in others if new in {each.model, each.name} and not each.state.is_at_rest), None)
    unclear = next((health.appeared for health in await services.upstream_status.read() if health.name == upstream), ())
    if twin is None and new not in unclear and new != old.agent.model:
        return NotReconnected(new, upstream, tuple(unclear))
    model = new if twin is None else twin.model
    await services.agents.reconnect(old.agent.id, model, None if twin is None else twin.id)
    await services.upstream_status.ask(confirmed=False, within=_PATIENCE)
    agent = await services.agents.by_agent(old.agent.id)
    return Reconnected(agent_entry(agent, services.namespace.domain), old.agent.name)
