"""Commands that decide whether an agent may use a tool."""

from __future__ import annotations

from agent_bridge.commands.argument_kinds import Words
from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.core.approvals import DecisionRequest, Verdict
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import DecisionMade, Group

#: Characters of a reason.
_REASON = 500


@command("approve", group=Group.ROOM, permission=Permission.JOIN, where=Where.AGENT_ROOM, exact=True)
async def approve(ctx: CommandContext) -> DecisionMade:
    """Allow the oldest undecided tool call of the room or thread. A repeated command decides the same one.

    Words behind the command decide nothing: they may name another call, or be a condition.
    """
    return await _decide(ctx, Verdict.ALLOW, "")


@command(
    "deny", group=Group.ROOM, permission=Permission.JOIN, where=Where.AGENT_ROOM, example="look into the log first"
)
async def deny(ctx: CommandContext, reason: Words | None = None) -> DecisionMade:
    """Refuse the oldest undecided tool call of the room or thread; the agent reads *reason*."""
    return await _decide(ctx, Verdict.DENY, (reason or "")[:_REASON])


async def _decide(ctx: CommandContext, verdict: Verdict, reason: str) -> DecisionMade:
    request = DecisionRequest(
        room_id=ctx.room_id,
        event_id=ctx.event_id,
        sender=ctx.sender,
        target=None,
        verdict=verdict,
        is_admin=ctx.can(Permission.OPERATE),
        reason=reason,
        thread=ctx.thread,
    )
    async with ctx.services.database.transaction() as connection:
        return DecisionMade(await ctx.services.approvals.decide(connection, request))
