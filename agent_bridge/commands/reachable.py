"""The command ``reachable``: people let programs ask them, or do not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.reachable import ReachableSet

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection


class ReachableAction(StrEnum):
    """Whether a person may be asked."""

    ON = "on"
    OFF = "off"


@command("reachable", group=Group.BRIDGE, permission=Permission.JOIN, example="on")
async def reachable(ctx: CommandContext, action: ReachableAction | None = None) -> ReachableSet:
    """Let programs ask the caller, or not, or tell whether they may. Running twice has one effect."""
    store = ctx.services.people_questions
    if action is None:
        return ReachableSet(bool(await store.reachable(ctx.sender)), is_changed=False)

    async def act(connection: Connection) -> Effect:
        await store.set_reachable(connection, ctx.sender, is_reachable=action is ReachableAction.ON)
        return {"is_on": action is ReachableAction.ON}

    return ReachableSet((await once(ctx, act))["is_on"], is_changed=True)
