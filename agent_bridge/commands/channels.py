"""The command ``channel``: channels are made, listed, changed and deleted, and agents are added to them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.bridge.channels.changes import MOST_CHANNELS
from agent_bridge.bridge.channels.members import SILENT
from agent_bridge.commands.argument_kinds import PlaceWords, the_agent
from agent_bridge.commands.arguments import words_of
from agent_bridge.commands.channel_mirror import mirror
from agent_bridge.commands.effects import once
from agent_bridge.commands.lookup import visible_agents
from agent_bridge.commands.places import (
    YES,
    address,
    channel_here,
    channel_named,
    refusal_in,
    refused,
    server_here,
    server_named,
)
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.commands.servers import delete_place
from agent_bridge.core.names import one_line
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import Argument, Group, NotPermitted, RoomAddress
from agent_bridge.core.results.mirrors import MirrorResult
from agent_bridge.core.results.servers import (
    AgentAdded,
    ChannelChange,
    ChannelChanged,
    ChannelEntry,
    ChannelGroup,
    ChannelList,
    ChannelMade,
    DeletionQuestion,
    PlaceDeleted,
    PlaceProblem,
    PlaceRefused,
    ServerResult,
)
from agent_bridge.core.servers import Channel, ChannelType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from agent_bridge.bridge.channels.lookup import Found
    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.servers import Server
    from agent_bridge.store.postgres.database import Connection

_AGENT = Argument("agent", required=True)


class ChannelAction(StrEnum):
    """What is done about channels."""

    LIST = "list"
    NEW = "new"
    RENAME = "rename"
    TOPIC = "topic"
    MOVE = "move"
    DELETE = "delete"
    ADD = "add"
    MIRROR = "mirror"


#: The permission that each action needs in the server of the channel.
_NEEDED = {
    ChannelAction.RENAME: Permission.CHANNELS,
    ChannelAction.TOPIC: Permission.SETTINGS,
    ChannelAction.MOVE: Permission.CHANNELS,
    ChannelAction.DELETE: Permission.CHANNELS,
    ChannelAction.ADD: Permission.MEMBERS,
    ChannelAction.MIRROR: Permission.CHANNELS,
}


@command("channel", group=Group.SERVERS, permission=Permission.READ, example="add news Ada")
async def channel(
    ctx: CommandContext, action: ChannelAction = ChannelAction.LIST, named: PlaceWords | None = None
) -> ServerResult | MirrorResult | NotPermitted:
    """List the channels, make one, change or delete one, or add an agent to one.

    A channel is named ``name`` or ``server/name``; in a channel, the command is about that one if it names no other.
    Running twice has the effect of one run.
    """
    words = words_of(named or "")
    if action is ChannelAction.LIST:
        return await _list(ctx, " ".join(words))
    if action is ChannelAction.NEW:
        return await _new(ctx, words)
    found, rest = await _meant(ctx, action, words)
    if isinstance(found, PlaceRefused):
        return found
    if not ctx.services.place_changes.may(ctx.sender, _NEEDED[action], found.server):
        return NotPermitted(f"channel {action}", lowest_role(_NEEDED[action]))
    act: Mapping[ChannelAction, Callable[[CommandContext, Found, str], Awaitable[ServerResult | MirrorResult]]] = {
        ChannelAction.RENAME: _rename,
        ChannelAction.TOPIC: _topic,
        ChannelAction.MOVE: _move,
        ChannelAction.DELETE: _delete,
        ChannelAction.ADD: _add,
        ChannelAction.MIRROR: mirror,
    }
    return await act[action](ctx, found, " ".join(rest))


async def _meant(
    ctx: CommandContext, action: ChannelAction, words: Sequence[str]
) -> tuple[Found | PlaceRefused, list[str]]:
    """Return the channel that *words* begin with, and the other words; else the channel of the command, and all."""
    here = await channel_here(ctx)
    only = action is ChannelAction.DELETE and [each.lower() for each in words] == [YES]
    if not words or only:
        return here or PlaceRefused(PlaceProblem.WHICH_CHANNEL), list(words)
    named = await channel_named(ctx, words[0])
    if here is not None and isinstance(named, PlaceRefused) and action is not ChannelAction.DELETE:
        return here, list(words)
    if here is not None and len(words) == 1 and action is not ChannelAction.DELETE:
        return here, list(words)
    return named, list(words[1:])


async def _list(ctx: CommandContext, named: str) -> ChannelList | PlaceRefused:
    known: list[Server | None] = [None, *await ctx.services.servers.servers()]
    if named or await server_here(ctx) is not None:
        found = await server_named(ctx, one_line(named))
        if isinstance(found, PlaceRefused):
            return found
        known = [found]
    channels = await ctx.services.servers.by_server()
    groups = [_group(ctx, each, channels.get(None if each is None else each.number, ())) for each in known]
    return ChannelList(tuple(each for each in groups if each.channels or len(known) == 1))


def _group(ctx: CommandContext, server: Server | None, channels: Sequence[Channel]) -> ChannelGroup:
    entries = (
        ChannelEntry(place, each.name, each.type, each.topic, address(ctx, each))
        for place, each in enumerate(channels, 1)
    )
    return ChannelGroup("" if server is None else server.name, tuple(entries))


async def _new(ctx: CommandContext, words: Sequence[str]) -> ChannelMade | PlaceRefused | NotPermitted:
    """Make the channel ``[server/]name [type]``, without a server in that of the room, or in the main Space.

    The caller is invited.
    """
    *front, last = words or [""]
    kind = ChannelType(last.lower()) if front and last.lower() in set(ChannelType) else None
    text = " ".join(words if kind is None else front)
    before, slash, after = text.partition("/")
    server = await server_named(ctx, one_line(before)) if slash else await server_here(ctx)
    if isinstance(server, PlaceRefused):
        return server
    if not ctx.services.place_changes.may(ctx.sender, Permission.CHANNELS, server):
        return NotPermitted("channel new", lowest_role(Permission.CHANNELS))
    services, named = ctx.services, after if slash else text

    async def act(connection: Connection) -> Effect:
        made = await services.place_changes.new_channel(connection, ctx.key, server, named, kind or ChannelType.TEXT)
        return refused(made) if isinstance(made, PlaceRefused) else {"channel": made}

    effect = await once(ctx, act)
    made = await services.servers.find(effect["channel"]) if "channel" in effect else None
    if not isinstance(made, Channel):
        return refusal_in(effect) or PlaceRefused(PlaceProblem.NO_CHANNEL, text)
    room_id = await services.place_maker.make(made)
    await services.inviter.bring(room_id, ctx.sender, [services.namespace.bot])
    room = RoomAddress(room_id, services.namespace.domain)
    return ChannelMade(made.name, made.type, room, "" if server is None else server.name)


async def _rename(ctx: CommandContext, found: Found, text: str) -> ChannelChanged | PlaceRefused:
    channel = found.channel

    async def act(connection: Connection) -> Effect:
        name = await ctx.services.place_changes.rename(connection, channel, text)
        return refused(name) if isinstance(name, PlaceRefused) else {"name": name}

    effect = await once(ctx, act)
    return refusal_in(effect) or ChannelChanged(channel.name, ChannelChange.RENAMED, effect["name"])


async def _topic(ctx: CommandContext, found: Found, text: str) -> ChannelChanged:
    async def act(connection: Connection) -> Effect:
        return {"topic": await ctx.services.place_changes.set_topic(connection, found.channel, text)}

    effect = await once(ctx, act)
    return ChannelChanged(found.channel.name, ChannelChange.TOPIC, effect["topic"])


async def _move(ctx: CommandContext, found: Found, text: str) -> ChannelChanged | PlaceRefused:
    services, channel = ctx.services, found.channel
    most = len(await services.servers.channels(channel.server))
    if not text:
        return PlaceRefused(PlaceProblem.NO_POSITION, channel.name, most)
    if not (text.isdecimal() and len(text) <= len(str(MOST_CHANNELS))):
        return PlaceRefused(PlaceProblem.BAD_POSITION, text, most)
    position = int(text)

    async def act(connection: Connection) -> Effect:
        refusal = await services.place_changes.move(connection, channel, position)
        return {"position": position} if refusal is None else refused(refusal)

    effect = await once(ctx, act)
    return refusal_in(effect) or ChannelChanged(channel.name, ChannelChange.MOVED, str(position))


async def _delete(ctx: CommandContext, found: Found, text: str) -> PlaceDeleted | DeletionQuestion:
    if text.lower() != YES:
        return DeletionQuestion(found.name, f'channel delete "{found.name}" {YES}')
    await delete_place(ctx, found.channel)
    return PlaceDeleted(found.name, is_server=False)


async def _add(ctx: CommandContext, found: Found, text: str) -> AgentAdded | PlaceRefused:
    """Have the ghost of an agent enter the channel. A repeat finds it there."""
    services = ctx.services
    if not text:
        return PlaceRefused(PlaceProblem.NO_AGENT)
    if found.channel.type in SILENT:
        return PlaceRefused(PlaceProblem.SILENT, found.name)
    agent = (await the_agent(_AGENT, text, await visible_agents(ctx), services.namespace.domain)).agent
    ghost = services.namespace.user_id(agent.ghost)
    refusal = await services.place_members.add_agent(found.channel, agent.id, agent.name, ghost)
    return refusal or AgentAdded(agent.name, found.name)
