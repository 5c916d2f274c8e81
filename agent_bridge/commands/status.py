"""Commands about the bridge itself: help, the state of its parts, requests to list all agents or to reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.inbound.prefix import command_word
from agent_bridge.bridge.queue.reloader import answers_to
from agent_bridge.commands.argument_kinds import CommandWord
from agent_bridge.commands.effects import once
from agent_bridge.commands.lookup import nearest
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import (
    CommandHelp,
    CommandList,
    Group,
    RoomEntry,
    StatusReport,
    SyncReport,
    UnknownCommand,
)
from agent_bridge.core.results.reloads import ReloadReport
from agent_bridge.core.rooms import RoomProblem

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.postgres.database import Connection

#: Seconds that ``sync`` waits for the leader.
_PATIENCE = 30.0


@command("help", group=Group.BRIDGE, permission=Permission.READ, example="invite")
async def help_(ctx: CommandContext, command: CommandWord | None = None) -> CommandList | CommandHelp | UnknownCommand:
    """List the commands that the caller may use, or explain one of them. Only reads."""
    usable = {name: each for name, each in ctx.registry.commands.items() if ctx.can(each.permission)}
    if command is None:
        return CommandList(tuple(each.usage for each in usable.values()))
    name, _ = command_word(command)
    found = ctx.registry.commands.get(name)
    if found is None or not (name in usable or found.in_own_chats):
        return UnknownCommand(command, nearest(name, usable))
    return CommandHelp(found.usage, found.role, in_own_chats=found.in_own_chats)


@command("sync", group=Group.BRIDGE, permission=Permission.OPERATE, example="all")
async def sync(ctx: CommandContext, *, all_: bool = False) -> SyncReport:
    """Have the leader list the agents of all upstreams now; with *all_* it accepts any number of changes.

    Running twice lists the agents twice. That changes nothing, unless the upstream's list changed in between.
    """
    is_finished = await ctx.services.upstream_status.ask(confirmed=all_, within=_PATIENCE)
    return SyncReport(is_finished, tuple(await ctx.services.upstream_status.read()))


@command("reload", group=Group.BRIDGE, permission=Permission.OPERATE, exact=True)
async def reload(ctx: CommandContext) -> ReloadReport:
    """Have all processes read their configuration again, and report the changes that count now.

    The effect is a request with its own row, so running twice requests it once.
    """

    async def act(connection: Connection) -> Effect:
        return {"reload": await ctx.services.reloads.request(connection)}

    effect = await once(ctx, act)
    return await answers_to(ctx.services.reloads, effect["reload"])


@command("status", group=Group.BRIDGE, permission=Permission.OPERATE)
async def status(ctx: CommandContext) -> StatusReport:
    """Report on agents, open turns and upstreams. Only reads."""
    found = await ctx.services.agents.all()
    states = [each.agent.state for each in found]
    # Commands, this one too, are turns of the bot and not of an agent.
    open_turns = sum(n for agent, n in (await ctx.services.turns.count_open()).items() if agent is not None)
    return StatusReport(
        active=states.count(AgentState.ACTIVE),
        held=states.count(AgentState.HELD),
        gone=sum(state.is_at_rest for state in states),
        open_turns=open_turns,
        upstreams=tuple(await ctx.services.upstream_status.read()),
        configured=sum(each.agent.entry is not None and each.agent.state is AgentState.ACTIVE for each in found),
        without_bot=sum(_waits_for_bot(each) for each in found),
        operations=tuple(await ctx.services.operations.running()),
        rooms=tuple(RoomEntry(each.agent.name, each.home.problems) for each in found if each.home.problems),
    )


def _waits_for_bot(each: AgentRoom) -> bool:
    is_active = each.agent.state is AgentState.ACTIVE and each.home.room_id is not None
    return is_active and not each.home.bot_joined and RoomProblem.BOT_AWAY not in each.home.problems
