"""The command ``forget me``, and its confirmation: the caller has the own data erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.lifecycle.erasure import ERASE
from agent_bridge.commands.effects import once
from agent_bridge.core.results.erasure import ErasureAsked, ErasureRefusal, ErasureRefused
from agent_bridge.core.rooms import ChoiceKind

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.store.postgres.database import Connection

#: The word in place of the name of a saved conversation.
ME = "me"
#: Seconds between two erasures that a person asks for: each begins the quotas of the person anew.
_DAY = 86_400.0


async def ask_to_erase(ctx: CommandContext) -> ErasureAsked | ErasureRefused:
    """Ask the caller to confirm the erasure, by the command ``yes``. Running twice has the effect of the first run."""
    services = ctx.services
    chat = await services.chats.in_room(ctx.room_id)
    if chat is not None and chat.person == ctx.sender:
        # The answer would be deleted with the room.
        return ErasureRefused(ErasureRefusal.OWN_CHAT)

    async def act(connection: Connection) -> Effect:
        last = await services.personal_data.last(ctx.sender)
        if last is not None and last < _DAY:
            return {"wait": _DAY - last}
        # One question at a time waits for the confirmation.
        for kind in (ChoiceKind.DELETE, ChoiceKind.RETIRE):
            await services.choices.forget(connection, ctx.sender, kind)
        await services.choices.show(
            connection, ctx.sender, ChoiceKind.ERASE, [], room_id=ctx.room_id, thread=ctx.thread, turn=ctx.turn
        )
        return {"asked": True}

    effect = await once(ctx, act)
    if "wait" in effect:
        return ErasureRefused(ErasureRefusal.TOO_SOON, effect["wait"])
    return ErasureAsked(ctx.sender)


async def confirm_erasure(ctx: CommandContext, connection: Connection) -> Effect:
    """Request the erasure about which the caller was asked in this room, if there is one."""
    services = ctx.services
    asked = await services.choices.shown(connection, ctx.sender, ChoiceKind.ERASE)
    if asked is None or asked.room_id != ctx.room_id:
        return {}
    await services.choices.forget(connection, ctx.sender, ChoiceKind.ERASE)
    params = {"user": ctx.sender}
    await services.operations.request(connection, ERASE, ctx.key, params, by=ctx.sender, turn=ctx.turn)
    return {"erases": True}
