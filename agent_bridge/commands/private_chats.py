"""Commands that tell their caller a secret, in a chat in which the caller and the bot are alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.bridge.delivery.secret_messages import SecretMessages
    from agent_bridge.commands.registry import CommandContext


async def private_chat(ctx: CommandContext, messages: SecretMessages) -> str | None:
    """Return the room of the command, or another chat with the bot, in which nobody else is; None if there is none."""
    rooms = [ctx.room_id, *await ctx.services.role_store.bot_rooms(ctx.sender)]
    return await messages.private_room(ctx.sender, rooms)


def told_since(ctx: CommandContext, chat: str) -> str:
    """Return an event of *chat* that came before each message of the command; empty if none is known."""
    return ctx.event_id if chat == ctx.room_id else ""
