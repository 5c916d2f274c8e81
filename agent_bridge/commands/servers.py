"""The command ``server``: servers are made, entered, left, changed and deleted."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import PlaceWords
from agent_bridge.commands.arguments import words_of
from agent_bridge.commands.effects import once
from agent_bridge.commands.places import YES, address, refusal_in, refused, server_named
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import CAN, Permission, lowest_role
from agent_bridge.core.results.commands import Group, NotPermitted, RoomAddress
from agent_bridge.core.results.servers import (
    DeletionQuestion,
    PlaceDeleted,
    PlaceProblem,
    PlaceRefused,
    ServerEntry,
    ServerField,
    ServerJoined,
    ServerLeft,
    ServerList,
    ServerMade,
    ServerResult,
    ServerUpdated,
)
from agent_bridge.core.servers import PlaceStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.servers import Channel, Server
    from agent_bridge.store.postgres.database import Connection


class ServerAction(StrEnum):
    """What is done about servers."""

    LIST = "list"
    NEW = "new"
    JOIN = "join"
    LEAVE = "leave"
    UPDATE = "update"
    DELETE = "delete"


@command("server", group=Group.SERVERS, permission=Permission.READ, example="join Research Lab")
async def server(
    ctx: CommandContext, action: ServerAction = ServerAction.LIST, named: PlaceWords | None = None
) -> ServerResult | NotPermitted:
    """List the servers, make one, enter or leave one, change its properties, or delete it.

    Admins make servers, and are their owners. Running twice has the effect of one run.
    """
    act: Mapping[ServerAction, Callable[[CommandContext, str], Awaitable[ServerResult | NotPermitted]]] = {
        ServerAction.LIST: _list,
        ServerAction.NEW: _new,
        ServerAction.JOIN: _join,
        ServerAction.LEAVE: _leave,
        ServerAction.UPDATE: _update,
        ServerAction.DELETE: _delete,
    }
    return await act[action](ctx, named or "")


async def _list(ctx: CommandContext, _words: str) -> ServerList:
    channels = await ctx.services.servers.by_server()
    return ServerList(
        tuple(
            ServerEntry(
                number=each.number,
                name=each.name,
                topic=each.topic,
                owner=each.owner,
                room=address(ctx, each),
                role=ctx.services.place_changes.role(ctx.sender, each),
                channels=len(channels.get(each.number, ())),
            )
            for each in await ctx.services.servers.servers()
        )
    )


async def _new(ctx: CommandContext, words: str) -> ServerMade | PlaceRefused | NotPermitted:
    if Permission.CHANNELS not in CAN[ctx.services.roles.of(ctx.sender)]:
        return NotPermitted("server new", lowest_role(Permission.CHANNELS))
    services = ctx.services

    async def act(connection: Connection) -> Effect:
        number = await services.place_changes.new_server(connection, ctx.key, ctx.sender, " ".join(words_of(words)))
        return refused(number) if isinstance(number, PlaceRefused) else {"number": number}

    effect = await once(ctx, act)
    if (refusal := refusal_in(effect)) is not None:
        return refusal
    made = await services.servers.server(effect["number"])
    if made is None:
        return PlaceRefused(PlaceProblem.NO_SERVER, str(effect["number"]))
    room_id = await services.place_maker.make(made)
    await services.inviter.bring(room_id, ctx.sender, [services.namespace.bot])
    return ServerMade(made.number, made.name, RoomAddress(room_id, services.namespace.domain))


async def _join(ctx: CommandContext, words: str) -> ServerJoined | PlaceRefused | NotPermitted:
    """Invite the caller into the Space of a server, from which its channels can be entered."""
    if not ctx.can(Permission.JOIN):
        return NotPermitted("server join", lowest_role(Permission.JOIN))
    found = await server_named(ctx, " ".join(words_of(words)))
    if isinstance(found, PlaceRefused):
        return found
    arrival, room = await ctx.services.place_members.invite(found, ctx.sender), address(ctx, found)
    if isinstance(arrival, PlaceRefused):
        return arrival
    return PlaceRefused(PlaceProblem.NOT_READY, found.name) if room is None else ServerJoined(found.name, room, arrival)


async def _leave(ctx: CommandContext, words: str) -> ServerLeft | PlaceRefused:
    """Remove the caller from the channels and the Space of a server; a repeat finds that it is done."""
    found = await server_named(ctx, " ".join(words_of(words)))
    if isinstance(found, PlaceRefused):
        return found
    if found.room_id is None:
        return PlaceRefused(PlaceProblem.NOT_READY, found.name)
    refusal = await ctx.services.place_members.leave_server(found, ctx.sender, again=ctx.was_interrupted)
    return refusal or ServerLeft(found.name)


async def _update(ctx: CommandContext, words: str) -> ServerUpdated | PlaceRefused | NotPermitted:
    """Change a property: ``<server> name|description|icon <value>``, without the server in one of its rooms."""
    named, field, value = _parts(words)
    found = await server_named(ctx, named)
    if isinstance(found, PlaceRefused):
        return found
    if not ctx.services.place_changes.may(ctx.sender, Permission.CHANNELS, found):
        return NotPermitted("server update", lowest_role(Permission.CHANNELS))
    if field is None:
        return PlaceRefused(PlaceProblem.NO_FIELD, found.name)

    async def act(connection: Connection) -> Effect:
        changed = await ctx.services.place_changes.update_server(connection, found, field, value)
        return refused(changed) if isinstance(changed, PlaceRefused) else {"value": changed}

    effect = await once(ctx, act)
    return refusal_in(effect) or ServerUpdated(found.name, field, effect["value"])


def _parts(words: str) -> tuple[str, ServerField | None, str]:
    """Return the server that *words* begin with, the property, and its value; each may be missing."""
    found = words_of(words)
    fields = set(ServerField)
    for place in (0, 1):
        if len(found) > place and found[place].lower() in fields:
            return " ".join(found[:place]), ServerField(found[place].lower()), " ".join(found[place + 1 :])
    return (found[0] if found else ""), None, ""


async def _delete(ctx: CommandContext, words: str) -> PlaceDeleted | DeletionQuestion | PlaceRefused | NotPermitted:
    """Delete a server with its channels; the word ``yes`` behind its name confirms it."""
    found_words = words_of(words)
    confirmed = bool(found_words) and found_words[-1].lower() == YES
    named = " ".join(found_words[:-1] if confirmed else found_words)
    found = await server_named(ctx, named)
    if isinstance(found, PlaceRefused):
        return found
    if not ctx.services.place_changes.may_delete(ctx.sender, found):
        return NotPermitted("server delete", lowest_role(Permission.OWN))
    if not confirmed:
        channels = await ctx.services.servers.channels(found.number)
        return DeletionQuestion(found.name, f"server delete {found.number} {YES}", len(channels))
    await delete_place(ctx, found)
    return PlaceDeleted(found.name, is_server=True)


async def delete_place(ctx: CommandContext, place: Server | Channel) -> None:
    """Have a server or a channel deleted, once for this command, whose answer shows how far that is."""

    async def act(connection: Connection) -> Effect:
        await ctx.services.place_changes.delete(connection, place, ctx.key, ctx.sender, ctx.turn)
        return {"status": PlaceStatus.DELETING}

    await once(ctx, act)
