"""Servers and channels that the arguments of commands mean, and the permissions of a caller there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.channels.changes import SLASH
from agent_bridge.core.names import folded, one_line
from agent_bridge.core.results.commands import RoomAddress
from agent_bridge.core.results.servers import PlaceProblem, PlaceRefused
from agent_bridge.core.servers import Channel, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.commands.effects import Effect
    from agent_bridge.commands.registry import CommandContext

#: The last word that confirms a deletion.
YES = "yes"
#: Digits of the number of a channel.
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """A channel, and its server (None: the main Space)."""

    channel: Channel
    server: Server | None

    @property
    def name(self) -> str:
        """The name by which people mean the channel from anywhere."""
        return self.channel.name if self.server is None else f"{self.server.name}{SLASH}{self.channel.name}"


def address(ctx: CommandContext, place: Server | Channel) -> RoomAddress | None:
    """Return the address of the room of *place*; None: it is not made yet."""
    return None if place.room_id is None else RoomAddress(place.room_id, ctx.services.namespace.domain)


async def server_here(ctx: CommandContext) -> Server | None:
    """Return the server of the room of the command; None: it belongs to none."""
    place = await ctx.services.servers.in_room(ctx.room_id)
    if isinstance(place, Server):
        return place
    if place is None or place.server is None:
        return None
    return await ctx.services.servers.server(place.server)


async def server_named(ctx: CommandContext, text: str) -> Server | PlaceRefused:
    """Return the server whose number or name is *text*; empty: that of the room of the command."""
    if not text:
        here = await server_here(ctx)
        return PlaceRefused(PlaceProblem.WHICH_SERVER) if here is None else here
    known = await ctx.services.servers.servers()
    number = text.removeprefix("#")
    meant = [each for each in known if number == str(each.number)]
    meant = meant or [each for each in known if folded(each.name) == folded(text)]
    return meant[0] if len(meant) == 1 else PlaceRefused(PlaceProblem.NO_SERVER, text)


async def channel_here(ctx: CommandContext) -> Found | None:
    """Return the channel in whose room the command was given; None: the room is no channel."""
    place = await ctx.services.servers.in_room(ctx.room_id)
    if not isinstance(place, Channel):
        return None
    return Found(place, None if place.server is None else await ctx.services.servers.server(place.server))


async def channel_named(ctx: CommandContext, text: str) -> Found | PlaceRefused:
    """Return the channel that *text* means: ``name``, or ``server/name``.

    A name alone means a channel of the server of the room, then of the main Space, then of any server. A number behind
    the slash, or behind ``#``, is the place in the list: names that people gave in clients may be equal.
    """
    *front, name = text.removeprefix("#").split(SLASH, 1)
    if front:
        server = await server_named(ctx, front[0].strip())
        if isinstance(server, PlaceRefused):
            return server
        channels = await ctx.services.servers.channels(server.number)
        return _of_name(text, [Found(each, server) for each in channels], name)
    here, known = await server_here(ctx), await ctx.services.servers.servers()
    by_server = await ctx.services.servers.by_server()
    others = [each for each in known if here is None or each.number != here.number]
    if text.startswith("#") and name.isdecimal():
        return _of_name(
            text, [Found(each, here) for each in by_server.get(None if here is None else here.number, ())], name
        )
    for group in ([here], [None], others):
        found = [
            Found(each, server)
            for server in group
            for each in by_server.get(None if server is None else server.number, ())
        ]
        meant = _of_name(text, found, name, numbered=False)
        if isinstance(meant, Found) or meant.problem is PlaceProblem.SEVERAL:
            return meant
    return PlaceRefused(PlaceProblem.NO_CHANNEL, text)


def _of_name(text: str, found: Sequence[Found], name: str, *, numbered: bool = True) -> Found | PlaceRefused:
    meant = [each for each in found if folded(each.channel.name) == folded(one_line(name))]
    if len(meant) == 1:
        return meant[0]
    if not meant and numbered and name.isdecimal() and len(name) <= _DIGITS and 1 <= int(name) <= len(found):
        return found[int(name) - 1]
    return PlaceRefused(PlaceProblem.SEVERAL if meant else PlaceProblem.NO_CHANNEL, text)


def refused(refusal: PlaceRefused) -> Effect:
    """Return the effect of a command that changed nothing because of *refusal*."""
    return {"problem": refusal.problem, "named": refusal.name, "most": refusal.most}


def refusal_in(effect: Effect) -> PlaceRefused | None:
    """Return the refusal that :func:`refused` has put into *effect*; None if there is none."""
    if "problem" not in effect:
        return None
    return PlaceRefused(PlaceProblem(effect["problem"]), effect["named"], effect["most"])
