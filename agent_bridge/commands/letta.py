"""The command ``letta``: runs a command of the agent's server in the conversation of the room or thread.

Intake puts it into the lane of the agent, so it never runs beside an answer of the same conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import Words
from agent_bridge.commands.lookup import nearest
from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.server_commands import (
    CommandRefusal,
    ServerCommandDone,
    ServerCommandEntry,
    ServerCommandList,
    ServerCommandRefused,
)

if TYPE_CHECKING:
    from agent_bridge.core.agents import Agent
    from agent_bridge.upstream.capabilities import Commands


@command("letta", group=Group.CONVERSATION, permission=Permission.OPERATE, where=Where.AGENT_ROOM, example="compact")
async def letta(
    ctx: CommandContext, command: Words | None = None
) -> ServerCommandList | ServerCommandDone | ServerCommandRefused:
    """Run *command* of the agent's server, or list its commands.

    A command that was perhaps sent before the bridge ended is not sent again: it may act twice.
    """
    words = (command or "").strip().removeprefix("/")
    name, _, arguments = words.partition(" ")
    agent = ctx.agent
    if agent is None:
        return ServerCommandRefused(name, CommandRefusal.NO_AGENT)
    upstream = ctx.services.upstreams.get(agent.upstream)
    if upstream is None or upstream.can.commands is None:
        return ServerCommandRefused(name, CommandRefusal.NOT_OFFERED)
    if words and ctx.was_interrupted:
        return ServerCommandRefused(name, CommandRefusal.INTERRUPTED)
    return await _run(ctx, agent, upstream.can.commands, name, arguments.strip())


async def _run(
    ctx: CommandContext, agent: Agent, commands: Commands, name: str, arguments: str
) -> ServerCommandList | ServerCommandDone | ServerCommandRefused:
    offered = await commands.list(agent.model, ctx.session, agent.name)
    usable = {each.name: each for each in offered if each.refusal is None}
    if not name:
        entries = (ServerCommandEntry(each.name, each.description, each.arguments) for each in usable.values())
        return ServerCommandList(agent.name, tuple(entries))
    found = next((each for each in offered if each.name.casefold() == name.casefold()), None)
    if found is None:
        return ServerCommandRefused(name, CommandRefusal.UNKNOWN, nearest(name, usable))
    if found.refusal is not None:
        return ServerCommandRefused(found.name, found.refusal)
    output = await commands.run(agent.model, ctx.session, agent.name, found.name, arguments)
    return ServerCommandDone(found.name, output.succeeded, output.text, output.said)
