"""The setting of a log channel that mirrors turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import the_agent
from agent_bridge.commands.effects import once
from agent_bridge.commands.lookup import visible_agents
from agent_bridge.core.results.commands import Argument
from agent_bridge.core.results.mirrors import MirrorSet, NoLogChannel
from agent_bridge.core.servers import ChannelType

if TYPE_CHECKING:
    from agent_bridge.bridge.channels.lookup import Found
    from agent_bridge.commands.effects import Effect
    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.core.results.mirrors import MirrorResult
    from agent_bridge.store.postgres.database import Connection

_AGENT = Argument("agent", required=True)
_ON, _OFF = "on", "off"


async def mirror(ctx: CommandContext, found: Found, text: str) -> MirrorResult:
    """Have a log channel mirror the turns of all agents (``on``), of none (``off``), or also those of the agent *text*.

    Without *text* nothing is changed. Running twice has the effect of one run.

    Raises:
        ArgumentError: *text* means no agent, or several.
    """
    channel, store = found.channel, ctx.services.agent_event_store
    if channel.type is not ChannelType.LOG:
        return NoLogChannel(found.name)
    word = text.lower()
    agent = None
    if word not in {"", _ON, _OFF}:
        agents = await visible_agents(ctx)
        agent = (await the_agent(_AGENT, text, agents, ctx.services.namespace.domain)).agent.id

    async def act(connection: Connection) -> Effect:
        if word == _OFF:
            await store.end_mirror(connection, channel.id)
        else:
            await store.mirror(connection, channel.id, agent)
        return {"mirror": word}

    if word:
        await once(ctx, act)
    ids = await store.mirrored_agents(channel.id)
    if ids is None:
        return MirrorSet(found.name, None, is_changed=bool(word))
    names = {each.agent.id: each.agent.name for each in await ctx.services.agents.all()} if ids else {}
    return MirrorSet(found.name, tuple(names[each] for each in ids if each in names), is_changed=bool(word))
