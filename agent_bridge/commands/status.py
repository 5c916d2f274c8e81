"""Commands about the bridge itself: help, the state of its parts, and a request to list all agents now."""

from __future__ import annotations

from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.results.commands import CommandList, Group, RoomEntry, StatusReport, SyncReport
from agent_bridge.core.roles import Role

#: Seconds that ``sync`` waits for the leader.
_PATIENCE = 30.0


@command("help", group=Group.BRIDGE, role=Role.MEMBER)
async def help_(ctx: CommandContext) -> CommandList:
    """List the commands that the caller may use. Only reads."""
    return CommandList(tuple(each.usage for each in ctx.registry.commands.values() if ctx.role >= each.role))


@command("sync", group=Group.BRIDGE, role=Role.ADMIN)
async def sync(ctx: CommandContext, *, all_: bool = False) -> SyncReport:
    """Have the leader list the agents of all upstreams now; with *all_* it accepts any number of changes.

    Running twice lists the agents twice. That changes nothing, unless the upstream's list changed in between.
    """
    is_finished = await ctx.services.upstream_status.ask(confirmed=all_, within=_PATIENCE)
    return SyncReport(is_finished, tuple(await ctx.services.upstream_status.read()))


@command("status", group=Group.BRIDGE, role=Role.ADMIN)
async def status(ctx: CommandContext) -> StatusReport:
    """Report on agents, open turns and upstreams. Only reads."""
    found = await ctx.services.agents.all()
    states = [each.agent.state for each in found]
    # Commands, this one too, are turns of the bot and not of an agent.
    open_turns = sum(n for agent, n in (await ctx.services.turns.count_open()).items() if agent is not None)
    return StatusReport(
        active=states.count(AgentState.ACTIVE),
        held=states.count(AgentState.HELD),
        gone=states.count(AgentState.GONE),
        open_turns=open_turns,
        upstreams=tuple(await ctx.services.upstream_status.read()),
        configured=sum(each.agent.entry is not None and each.agent.state is AgentState.ACTIVE for each in found),
        rooms=tuple(RoomEntry(each.agent.name, each.home.problems) for each in found if each.home.problems),
    )
