"""The command ``admin``: a link by which the caller signs in to the admin page."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from agent_bridge.commands.effects import once, then
from agent_bridge.commands.private_chats import private_chat, told_since
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.admin import AdminLinkSent, AdminPageOff, NoPrivateChat
from agent_bridge.core.results.commands import Group

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection

#: The effect of a command that tells nothing.
_NO_CHAT: Effect = {"refused": "no_private_chat"}


@command("admin", group=Group.BRIDGE, permission=Permission.OPERATE, exact=True)
async def admin(ctx: CommandContext) -> AdminLinkSent | AdminPageOff | NoPrivateChat:
    """Tell the caller a one-time link, in the chat with the bot. It takes the place of an earlier one that is unused.

    Running twice makes one link, and tells it once.
    """
    links = ctx.services.admin_links
    if links is None:
        return AdminPageOff()
    chat = await private_chat(ctx, links)

    async def act(connection: Connection) -> Effect:
        if chat is None:
            return _NO_CHAT
        return {"link": await links.add(connection, ctx.sender, secrets.token_urlsafe(32)), "chat": chat}

    effect = await once(ctx, act)
    if "refused" in effect:
        return NoPrivateChat()
    link, told_in = effect["link"], effect["chat"]
    since = told_since(ctx, told_in)
    if await links.tell(link, ctx.sender, told_in, ctx.key, again=ctx.was_interrupted, since=since):
        return AdminLinkSent()

    async def withdraw(connection: Connection) -> Effect:
        await links.withdraw(connection, link)
        return _NO_CHAT

    await then(ctx, "refused", withdraw)
    return NoPrivateChat()
