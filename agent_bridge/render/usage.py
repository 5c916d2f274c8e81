"""Quotas and the results of the command ``usage`` as Markdown: short lines and a numbered list."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import quote

from agent_bridge.core.quotas import Measure
from agent_bridge.render.content import escape, link

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.core.quotas import Exceeded
    from agent_bridge.core.results.usage import UsagePart, UsageReport, UsedAmount
    from agent_bridge.i18n.catalogue import Noun, Texts

_MINUTE = 60
_CENT = Decimal("0.01")


def exceeded_line(exceeded: Exceeded, now: datetime, currency: str, agent: str, texts: Texts) -> str:
    """Return why a message to *agent* is not let through, and when one will be. *now* has the zone of the quotas."""
    words, rule = texts.usage, exceeded.rule
    if exceeded.until is None:
        return words.never.format(admin=texts.who_can_help)
    name, role = escape(agent), escape(exceeded.subject.key)
    if rule.measure is Measure.MESSAGES:
        line = words.too_many[rule.per].format(
            messages=counted(int(rule.limit), texts.message, texts), agent=name, role=role
        )
    else:
        is_tokens = rule.measure is Measure.TOKENS
        limit = counted(int(rule.limit), words.token, texts) if is_tokens else money(rule.limit, currency, texts)
        line = words.used_up[rule.per].format(limit=limit, period=words.for_period[rule.period], agent=name, role=role)
    return f"{line} {words.goes_on.format(moment=moment(exceeded.until, now, texts))}"


def moment(at: datetime, now: datetime, texts: Texts) -> str:
    """Return the time *at* as people say it at *now*, in whose time zone."""
    words, zone = texts.usage, str(now.tzinfo)
    seconds = (at - now).total_seconds()
    if seconds <= _MINUTE:
        return words.soon.format(duration=texts.duration(max(1, math.ceil(seconds))))
    there = at.astimezone(now.tzinfo)
    time = f"{there:%H:%M}"
    if there.date() == now.date():
        return words.at_time.format(time=time, zone=zone)
    if there.date() == now.date() + timedelta(days=1):
        return words.tomorrow.format(time=time, zone=zone)
    return words.on_day.format(day=there.day, month=words.months[there.month - 1], zone=zone)


def render_usage(result: UsageReport, texts: Texts) -> str:
    """Return the sum, and its parts as a numbered list."""
    words = texts.usage
    head = words.head_own if result.is_own else words.head_all if result.user is None else words.head_user
    sums = _with_limits(result, texts) if result.total.requests else words.nothing
    blocks = [head.format(user=escape(result.user or ""), period=words.in_period[result.period], sums=sums)]
    lines = [
        words.line.format(number=number, name=_name(each), sums=_sums(each.amount, result.currency, texts))
        for number, each in enumerate(result.parts, 1)
    ]
    if lines:
        blocks.append("\n".join(lines))
    if result.more:
        blocks.append(words.line_more.format(count=result.more))
    if result.total.estimated:
        blocks.append(words.estimated.format(requests=counted(result.total.estimated, words.request, texts)))
    return "\n\n".join(blocks)


def counted(count: int, noun: Noun, texts: Texts) -> str:
    """Return *count*, with its digits in groups, and the form of *noun* that follows it."""
    return f"{_grouped(f'{count:,}', texts)} {noun[texts.plural(count)]}"


def money(amount: Decimal, currency: str, texts: Texts) -> str:
    """Return *amount* with its currency. Amounts of less than a cent have two digits that are not zero."""
    places = _CENT
    if 0 < amount < _CENT:
        places = Decimal(1).scaleb(amount.adjusted() - 1)
    return f"{_grouped(f'{amount.quantize(places):,f}', texts)} {currency}"


def _with_limits(result: UsageReport, texts: Texts) -> str:
    """Return the sums with the quotas for them."""
    words, total = texts.usage, result.total
    tokens = counted(total.tokens, words.token, texts)
    if result.tokens_limit is not None:
        limit = counted(result.tokens_limit, words.token, texts)
        tokens = words.of_limit.format(used=_grouped(f"{total.tokens:,}", texts), limit=limit)
    parts = [counted(total.requests, words.request, texts), tokens]
    if total.cost is not None:
        cost = money(total.cost, result.currency, texts)
        if result.money_limit is not None:
            cost = words.of_limit.format(used=cost, limit=money(result.money_limit, result.currency, texts))
        parts.append(cost)
    return ", ".join(parts)


def _sums(amount: UsedAmount, currency: str, texts: Texts) -> str:
    words = texts.usage
    parts = [counted(amount.requests, words.request, texts), counted(amount.tokens, words.token, texts)]
    parts += [] if amount.cost is None else [money(amount.cost, currency, texts)]
    return ", ".join(parts)


def _name(part: UsagePart) -> str:
    if not part.room_id:
        return f"*{escape(part.name)}*"
    number = "" if part.chat is None else f" #{part.chat}"
    return link(f"https://matrix.to/#/{quote(part.room_id)}", f"{part.name}{number}")


def _grouped(number: str, texts: Texts) -> str:
    """Return *number*, which is written as in English, as people write it."""
    group, point = texts.usage.thousand[1], texts.usage.thousand[-3]
    return number.translate({ord(","): group, ord("."): point})
