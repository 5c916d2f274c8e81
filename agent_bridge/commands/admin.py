"""The command ``admin``: a link by which the caller signs in to the admin page."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.admin import AdminLinkSent, AdminPageOff, NoPrivateChat
from agent_bridge.core.results.commands import Group

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection


@command("admin", group=Group.BRIDGE, permission=Permission.OPERATE, exact=True)
async def admin(ctx: CommandContext) -> AdminLinkSent | AdminPageOff | NoPrivateChat:
    """Tell the caller a one-time link, in the chat with the bot. It takes the place of an earlier one that is unused.

    Running twice makes one link, and tells it once.
    """
    links = ctx.services.admin_links
    if links is None:
        return AdminPageOff()
    chat = await links.private_room(ctx.sender, [ctx.room_id, *await ctx.services.role_store.bot_rooms(ctx.sender)])
    if chat is None:
        return NoPrivateChat()

    async def act(connection: Connection) -> Effect:
        return {"link": await links.add(connection, ctx.sender, secrets.token_urlsafe(32)), "chat": chat}

    effect = await once(ctx, act)
    since = ctx.event_id if effect["chat"] == ctx.room_id else ""
    is_told = await links.tell(
        effect["link"], ctx.sender, effect["chat"], ctx.key, again=ctx.was_interrupted, since=since
    )
    return AdminLinkSent() if is_told else NoPrivateChat()
