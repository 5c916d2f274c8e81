"""Commands that put chats away, bring them back, and delete them."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import ArgumentError, WhichChat
from agent_bridge.commands.effects import once
from agent_bridge.commands.erasure import confirm_erasure
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.chats import ChatStatus, ListedChat
from agent_bridge.core.names import one_line
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.chats import (
    ChatArchived,
    ChatName,
    ChatUnarchived,
    DeletionAsked,
    DeletionConfirmed,
    IsDirectChat,
    NotArchived,
    NothingToConfirm,
    NotYourChat,
)
from agent_bridge.core.results.commands import Argument, ArgumentProblem, Group, RoomAddress
from agent_bridge.core.results.erasure import ErasureBegun
from agent_bridge.core.results.retirement import RetirementConfirmed
from agent_bridge.core.rooms import ChoiceKind, KindName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection

#: A number of the list of chats.
_POSITION = re.compile(r"#?(?P<number>[0-9]{1,6})")


@command("archive", group=Group.CHATS, permission=Permission.JOIN, exact=True)
async def archive(ctx: CommandContext) -> ChatArchived | NotYourChat | IsDirectChat:
    """Put the chat away in whose room the command is given. Running twice has no other effect."""
    chat = await ctx.services.chats.in_room(ctx.room_id)
    if chat is None or chat.person != ctx.sender:
        return NotYourChat("archive")
    if chat.kind is KindName.DM:
        return IsDirectChat(chat.agent.name)
    await once(ctx, partial(_set_status, ctx, chat.id, ChatStatus.ARCHIVED))
    return ChatArchived(ChatName(chat.number or 0, chat.title))


@command("unarchive", group=Group.CHATS, permission=Permission.JOIN, example="2")
async def unarchive(
    ctx: CommandContext, which: WhichChat | None = None
) -> ChatUnarchived | NotArchived | NotYourChat | IsDirectChat:
    """Take a chat of the caller out of the archive, or the one in whose room the command is given.

    Running twice has the effect of the first run.
    """
    direct = None if which is not None else await _direct_chat(ctx)
    if direct is not None:
        return IsDirectChat(direct.agent)
    mine = await ctx.services.chats.of_person(ctx.sender, ChatStatus.ARCHIVED)
    effect = await once(ctx, partial(_unarchive, ctx, which, mine))
    if not effect:
        chat = await ctx.services.chats.in_room(ctx.room_id)
        if chat is None or chat.person != ctx.sender:
            return NotYourChat("unarchive")
        return NotArchived(ChatName(chat.number or 0, chat.title))
    return ChatUnarchived(ChatName(effect["number"], effect["title"]))


async def _unarchive(
    ctx: CommandContext, which: str | None, mine: Sequence[ListedChat], connection: Connection
) -> Effect:
    chat = await _chosen(ctx, connection, which, mine)
    if chat is None:
        return {}
    await _set_status(ctx, chat.id, ChatStatus.ACTIVE, connection)
    return {"number": chat.number, "title": chat.title}


@command("delete", group=Group.CHATS, permission=Permission.JOIN, example="3")
async def delete(ctx: CommandContext, which: WhichChat | None = None) -> DeletionAsked | NotYourChat:
    """Ask the caller to confirm the deletion of a chat, or of the one in whose room the command is given.

    The command ``yes`` confirms it. Running twice has the effect of the first run.
    """
    store = ctx.services.chats
    mine = [
        chat
        for status in (ChatStatus.ACTIVE, ChatStatus.ARCHIVED)
        for chat in await store.of_person(ctx.sender, status)
    ]
    direct = None if which is not None else await _direct_chat(ctx)
    if direct is not None:
        mine.append(direct)
    effect = await once(ctx, partial(_ask, ctx, which, mine))
    if not effect:
        return NotYourChat("delete")
    name = ChatName(effect["number"], effect["title"], effect.get("direct_with"))
    return DeletionAsked(name, RoomAddress(effect["room"], ctx.services.namespace.domain))


async def _ask(ctx: CommandContext, which: str | None, mine: Sequence[ListedChat], connection: Connection) -> Effect:
    chat = await _chosen(ctx, connection, which, mine)
    if chat is None:
        return {}
    # One question at a time waits for the confirmation.
    for kind in (ChoiceKind.RETIRE, ChoiceKind.ERASE):
        await ctx.services.choices.forget(connection, ctx.sender, kind)
    await ctx.services.choices.show(
        connection, ctx.sender, ChoiceKind.DELETE, [chat.id], room_id=ctx.room_id, thread=ctx.thread, turn=ctx.turn
    )
    direct_with = None if chat.number else chat.agent
    return {"number": chat.number, "title": chat.title, "direct_with": direct_with, "room": chat.room_id}


async def _direct_chat(ctx: CommandContext) -> ListedChat | None:
    """Return the room of the command as a chat without a number, if it is the caller's direct chat with an agent."""
    chat = await ctx.services.chats.in_room(ctx.room_id)
    if chat is None or chat.kind is not KindName.DM or chat.person != ctx.sender:
        return None
    return ListedChat(chat.id, 0, ctx.room_id, ctx.sender, None, chat.agent.name, 0.0)


@command("yes", group=Group.CHATS, permission=Permission.JOIN, exact=True)
async def yes(ctx: CommandContext) -> DeletionConfirmed | RetirementConfirmed | ErasureBegun | NothingToConfirm:
    """Confirm the deletion for which the caller was asked in this room. Running twice deletes one room.

    The leader removes the room once the command is answered.
    """
    effect = await once(ctx, partial(_confirm, ctx))
    if not effect:
        return NothingToConfirm()
    if "erases" in effect:
        return ErasureBegun(ctx.sender)
    if "retired" in effect:
        return RetirementConfirmed(effect["retired"])
    return DeletionConfirmed(ChatName(effect["number"], effect["title"], effect.get("direct_with")))


async def _confirm(ctx: CommandContext, connection: Connection) -> Effect:
    services = ctx.services
    if effect := await confirm_erasure(ctx, connection) or await _confirm_retirement(ctx, connection):
        return effect
    asked = await services.choices.shown(connection, ctx.sender, ChoiceKind.DELETE)
    # The person may have been asked about another chat in another room, after this command and before its run.
    is_here = asked is not None and asked.room_id == ctx.room_id
    chat = await services.chats.find(asked.items[0]) if asked is not None and is_here else None
    if chat is None or chat.person != ctx.sender:
        return {}
    await services.choices.forget(connection, ctx.sender, ChoiceKind.DELETE)
    await _set_status(ctx, chat.id, ChatStatus.DELETING, connection)
    await _request_deletion(ctx, connection, chat.id, chat.agent.name)
    direct_with = chat.agent.name if chat.kind is KindName.DM else None
    return {"number": chat.number or 0, "title": chat.title, "direct_with": direct_with}


async def _confirm_retirement(ctx: CommandContext, connection: Connection) -> Effect:
    """Retire the agent about which the caller was asked in this room, and have its room deleted, if there is one."""
    services = ctx.services
    asked = await services.choices.shown(connection, ctx.sender, ChoiceKind.RETIRE)
    # The person may have lost the permission since.
    if asked is None or asked.room_id != ctx.room_id or not ctx.can(Permission.OWN):
        return {}
    await services.choices.forget(connection, ctx.sender, ChoiceKind.RETIRE)
    await services.retirement.retire(connection, asked.items[0], ctx.sender, deletes=True)
    found = await services.agents.by_agent(asked.items[0])
    await _request_deletion(ctx, connection, found.home.id, found.agent.name)
    return {"retired": found.agent.name}


async def _request_deletion(ctx: CommandContext, connection: Connection, room: int, name: str) -> None:
    """Have the answer to the command show how far the deletion of a room of the agent *name* is, if it takes long."""
    operations = ctx.services.operations
    await operations.request_deletion(connection, ctx.key, [room], name, by=ctx.sender, turn=ctx.turn)


async def _set_status(ctx: CommandContext, chat: int, status: ChatStatus, connection: Connection) -> Effect:
    await ctx.services.chats.set_status(connection, chat, status)
    return {}


async def _chosen(
    ctx: CommandContext, connection: Connection, which: str | None, mine: Sequence[ListedChat]
) -> ListedChat | None:
    """Return the one of the chats *mine* that *which* means: a number of the list, or a title; by default this room's.

    None: the room of the command is none of them.

    Raises:
        ArgumentError: *which* means none of them.
    """
    if which is None:
        return next((each for each in mine if each.room_id == ctx.room_id), None)
    shown = await ctx.services.choices.shown(connection, ctx.sender, ChoiceKind.CHATS)
    number = _POSITION.fullmatch(which)
    if number is not None and shown is not None and 1 <= int(number["number"]) <= len(shown.items):
        meant = [each for each in mine if each.id == shown.items[int(number["number"]) - 1]]
    else:
        title = one_line(which).casefold()
        meant = [each for each in mine if (each.title or "").casefold() == title]
    if len(meant) != 1:
        raise ArgumentError(ArgumentProblem.NO_SUCH_CHAT, Argument("which", required=False), which)
    return meant[0]
