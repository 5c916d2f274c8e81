"""The command ``usage``: the tokens and the cost of requests."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import UsageSubject
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.quotas import Measure, Period
from agent_bridge.core.results.commands import Group, NotPermitted
from agent_bridge.core.results.usage import UsageBy, UsagePart, UsageReport, UsedAmount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.store.usage import UsageRow

#: Parts of one answer.
_PARTS = 20


@command("usage", group=Group.BRIDGE, permission=Permission.READ, example="month")
async def usage(
    ctx: CommandContext, whose: UsageSubject | None = None, *, today: bool = False, month: bool = False
) -> UsageReport | NotPermitted:
    """Report on the use of the caller, by agent. Only reads.

    With the name of a part, report on the use of all people, for those who may see it. A user id means another person.
    """
    may_see_all = ctx.can(Permission.MEMBERS)
    person: str | None = ctx.sender
    by = UsageBy.AGENT
    if whose is not None and whose.startswith("@"):
        if whose != ctx.sender and not may_see_all:
            return NotPermitted("usage", lowest_role(Permission.MEMBERS))
        person = whose
    elif whose is not None:
        by = UsageBy(whose)
        person = None if may_see_all else ctx.sender
    period = Period.MONTH if month and not today else Period.DAY
    book = ctx.services.quotas.value
    rows = await ctx.services.usage.use(person, period.start(datetime.now(UTC), book.zone))
    parts = usage_parts(rows, by)
    role = "" if person is None else ctx.services.roles.of(person).name.lower()
    tokens, money = (
        None if person is None else book.of_user(person, role, measure, period)
        for measure in (Measure.TOKENS, Measure.MONEY)
    )
    return UsageReport(
        user=person,
        is_own=person == ctx.sender,
        period=period,
        total=sum((each.amount for each in parts), UsedAmount()),
        currency=ctx.services.currency,
        parts=tuple(parts[:_PARTS]),
        more=max(0, len(parts) - _PARTS),
        tokens_limit=None if tokens is None else int(tokens),
        money_limit=money,
    )


def usage_parts(rows: Iterable[UsageRow], by: UsageBy) -> list[UsagePart]:
    """Return *rows* divided *by* something, those with the most tokens first."""
    amounts: dict[str, UsedAmount] = defaultdict(UsedAmount)
    agents: dict[str, dict[str, None]] = defaultdict(dict)
    chats: dict[str, int | None] = {}
    for row in rows:
        key = {UsageBy.USER: row.user_id, UsageBy.AGENT: row.agent, UsageBy.ROOM: row.room_id}[by]
        amounts[key] += UsedAmount(row.requests, row.estimated, row.tokens, row.cost)
        agents[key][row.agent] = None
        chats[key] = row.chat
    if by is UsageBy.ROOM:
        found = [UsagePart(", ".join(agents[key]), amount, key, chats[key]) for key, amount in amounts.items()]
    else:
        found = [UsagePart(key, amount) for key, amount in amounts.items()]
    return sorted(found, key=lambda each: (-each.amount.tokens, each.name, each.room_id))
