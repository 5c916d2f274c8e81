"""Commands about the agreement of rooms with their desired state: the next pass, and repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.lifecycle.repair import REPAIR
from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.repairs import PassPlan, RepairBegun
from agent_bridge.store.agents import AgentRoom

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection


@command("plan", group=Group.BRIDGE, permission=Permission.OPERATE)
async def plan(ctx: CommandContext) -> PassPlan:
    """Ask all upstreams for their agents, and report the changes of the next pass. Only reads."""
    return await ctx.services.planner.next_pass()


@command("repair", group=Group.BRIDGE, permission=Permission.OPERATE, example="Ada force")
async def repair(ctx: CommandContext, agent: AgentRoom | None = None, *, force: bool = False) -> RepairBegun:
    """Have the leader compare all rooms, or those of *agent*, and repair them; with *force* also state of people.

    The answer shows the progress and the result later. The effect is a row with the key of the turn, so running twice
    requests it once.
    """

    async def act(connection: Connection) -> Effect:
        params = {"agent": None if agent is None else agent.agent.id, "force": force, "dry": False}
        await ctx.services.operations.request(connection, REPAIR, ctx.key, params, by=ctx.sender, turn=ctx.turn)
        return {"agent": None if agent is None else agent.agent.name, "force": force}

    effect = await once(ctx, act)
    return RepairBegun(effect["agent"], is_forced=effect["force"])
