"""Commands of moderators: mute people, pin messages, remove people from a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import Duration, UserId, Words
from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.people import Kicked, Muted, PersonRefusal, PersonRefused, PinChange, PinResult, Unmuted
from agent_bridge.core.roles import EVERYWHERE
from agent_bridge.core.rooms import KindName, ParticipantState

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection

#: Messages that can be pinned in a room.
MOST_PINS = 50
#: Characters of a reason.
_REASON = 300


@command("mute", group=Group.PEOPLE, permission=Permission.MUTE, example="@bob:example.org 30 min")
async def mute(ctx: CommandContext, user: UserId, time: Duration | None = None) -> Muted | PersonRefused:
    """Mute *user* in this room, for *time* or until ``unmute``; in a chat with the bot: in all rooms.

    Agents get nothing of the user, the open messages of the user end, and the leader takes the power to send messages,
    as far as the bridge can. Running twice mutes once, with the end of the first run.
    """
    refusal = refusal_about(ctx, user)
    if refusal is None and await is_unknown(ctx, user):
        refusal = PersonRefusal.UNKNOWN
    if refusal is not None:
        return PersonRefused(refusal, user)
    room_id = await _scope(ctx)
    services = ctx.services

    async def act(connection: Connection) -> Effect:
        await services.mutes.put(connection, room_id, user, seconds=time)
        lanes = await services.role_store.drop(connection, user, room_id or None, ctx.event_id)
        await services.lanes.wake(connection, set(lanes))
        return {"turns": len(lanes)}

    effect = await once(ctx, act)
    may_write = bool(room_id) and await services.moderation.may_write(room_id, await users_of_bridge(ctx), user)
    return Muted(user, time, everywhere=not room_id, turns=effect["turns"], may_write=may_write)


@command("unmute", group=Group.PEOPLE, permission=Permission.MUTE, example="@bob:example.org")
async def unmute(ctx: CommandContext, user: UserId) -> Unmuted | PersonRefused:
    """End the mute of *user* in this room; in a chat with the bot: in all rooms. Running twice ends it once."""
    refusal = refusal_about(ctx, user)
    if refusal is not None:
        return PersonRefused(refusal, user)
    room_id = await _scope(ctx)

    async def act(connection: Connection) -> Effect:
        return {"was_muted": await ctx.services.mutes.end(connection, room_id, user)}

    effect = await once(ctx, act)
    return Unmuted(user, everywhere=not room_id, was_muted=effect["was_muted"])


@command("pin", group=Group.PEOPLE, permission=Permission.PIN, exact=True)
async def pin(ctx: CommandContext) -> PinChange:
    """Pin the message to which the command replies. Running twice pins it once."""
    return await _pin(ctx, pinned=True)


@command("unpin", group=Group.PEOPLE, permission=Permission.PIN, exact=True)
async def unpin(ctx: CommandContext) -> PinChange:
    """Take the pin from the message to which the command replies. Running twice has no other effect."""
    return await _pin(ctx, pinned=False)


@command("kick", group=Group.PEOPLE, permission=Permission.MEMBERS, example="@bob:example.org spam")
async def kick(ctx: CommandContext, user: UserId, reason: Words | None = None) -> Kicked | PersonRefused:
    """Remove *user* from this room, who reads the *reason*. A repeated command finds that the bridge did so."""
    refusal = refusal_about(ctx, user)
    if refusal is None and await _scope(ctx) == EVERYWHERE:
        refusal = PersonRefusal.NO_ROOM
    if refusal is None:
        users = await users_of_bridge(ctx)
        refusal = await ctx.services.moderation.kick(ctx.room_id, users, user, (reason or "")[:_REASON])
    return Kicked(user) if refusal is None else PersonRefused(refusal, user)


async def _pin(ctx: CommandContext, *, pinned: bool) -> PinChange:
    if ctx.reply_to is None:
        return PinChange(PinResult.NO_REPLY, MOST_PINS)
    moderation = ctx.services.moderation
    users = await users_of_bridge(ctx)
    result = await moderation.pin(ctx.room_id, users, ctx.reply_to, pinned=pinned, most=MOST_PINS)
    return PinChange(result, MOST_PINS)


def refusal_about(ctx: CommandContext, user: str) -> PersonRefusal | None:
    """Return why nothing is done to *user*: the bridge's own, or one with the role of the caller or a higher one."""
    roles = ctx.services.roles
    if ctx.services.namespace.is_ours(user):
        return PersonRefusal.OURS
    return PersonRefusal.HIGHER if roles.of(user, ctx.room_id) >= roles.of(ctx.sender, ctx.room_id) else None


async def is_unknown(ctx: CommandContext, user: str) -> bool:
    """Tell whether *user* is an id of this homeserver without an account: it is perhaps misspelt."""
    services = ctx.services
    is_local = parse_user_id(user)[1] == services.namespace.domain
    return is_local and user != ctx.sender and not await services.homeserver.has_user(user)


async def _scope(ctx: CommandContext) -> str:
    """Return the room of the command, :data:`EVERYWHERE` in a chat with the bot."""
    room = (await ctx.services.rooms.contexts([ctx.room_id])).get(ctx.room_id)
    return EVERYWHERE if room is not None and room.kind is KindName.BOT else ctx.room_id


async def users_of_bridge(ctx: CommandContext) -> list[str]:
    """Return the users of the bridge that may be in the room: the bot, and the ghosts of its agents."""
    room = (await ctx.services.rooms.contexts([ctx.room_id])).get(ctx.room_id)
    present = [] if room is None else [each for each in room.participants if each.state is ParticipantState.JOINED]
    namespace = ctx.services.namespace
    return [namespace.bot, *(namespace.user_id(each.ghost) for each in present)]
