"""Servers and channels that the arguments of commands mean, and the permissions of a caller there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.channels.lookup import Found, PlaceLookup
from agent_bridge.core.results.commands import RoomAddress
from agent_bridge.core.results.servers import PlaceProblem, PlaceRefused

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.core.servers import Channel, Server

#: The last word that confirms a deletion.
YES = "yes"


def address(ctx: CommandContext, place: Server | Channel) -> RoomAddress | None:
    """Return the address of the room of *place*; None: it is not made yet."""
    return None if place.room_id is None else RoomAddress(place.room_id, ctx.services.namespace.domain)


async def server_here(ctx: CommandContext) -> Server | None:
    """Return the server of the room of the command; None: it belongs to none."""
    return await PlaceLookup(ctx.services.servers).server_of(ctx.room_id)


async def server_named(ctx: CommandContext, text: str) -> Server | PlaceRefused:
    """Return the server whose number or name is *text*; empty: that of the room of the command."""
    if not text:
        here = await server_here(ctx)
        return PlaceRefused(PlaceProblem.WHICH_SERVER) if here is None else here
    return await PlaceLookup(ctx.services.servers).server(text)


async def channel_here(ctx: CommandContext) -> Found | None:
    """Return the channel in whose room the command was given; None: the room is no channel."""
    return await PlaceLookup(ctx.services.servers).channel_of(ctx.room_id)


async def channel_named(ctx: CommandContext, text: str) -> Found | PlaceRefused:
    """Return the channel that *text* means, see :meth:`PlaceLookup.channel`."""
    return await PlaceLookup(ctx.services.servers).channel(text, await server_here(ctx))


def refused(refusal: PlaceRefused) -> Effect:
    """Return the effect of a command that changed nothing because of *refusal*."""
    return {"problem": refusal.problem, "named": refusal.name, "most": refusal.most}


def refusal_in(effect: Effect) -> PlaceRefused | None:
    """Return the refusal that :func:`refused` has put into *effect*; None if there is none."""
    if "problem" not in effect:
        return None
    return PlaceRefused(PlaceProblem(effect["problem"]), effect["named"], effect["most"])
