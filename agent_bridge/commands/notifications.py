"""The command ``notify``: people switch their notifications off and on."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.notifications import NotificationsSet

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection


class NotifyAction(StrEnum):
    """Whether a person wants notifications."""

    ON = "on"
    OFF = "off"


@command("notify", group=Group.BRIDGE, permission=Permission.JOIN, example="off")
async def notify(ctx: CommandContext, action: NotifyAction | None = None) -> NotificationsSet:
    """Switch the notifications of the caller on or off, or tell whether they are on. Running twice has one effect."""
    store = ctx.services.notifications
    if action is None:
        return NotificationsSet(not await store.is_muted(ctx.sender), is_changed=False)

    async def act(connection: Connection) -> Effect:
        await store.mute(connection, ctx.sender, is_muted=action is NotifyAction.OFF)
        return {"is_on": action is NotifyAction.ON}

    return NotificationsSet((await once(ctx, act))["is_on"], is_changed=True)
