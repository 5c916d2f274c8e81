"""Quotas: how many messages, tokens and how much money people, rooms, agents and upstreams may use, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.globs import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, tzinfo
    from decimal import Decimal

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


class Per(StrEnum):
    """The subjects that a quota may be for."""

    USER = "user"
    #: All users of a role together.
    ROLE = "role"
    ROOM = "room"
    AGENT = "agent"
    UPSTREAM = "upstream"


class Measure(StrEnum):
    """The things that a quota counts."""

    MESSAGES = "messages"
    TOKENS = "tokens"
    MONEY = "money"


class Period(StrEnum):
    """The spans of time in which a quota counts. Days and months are those of a time zone."""

    MINUTE = "minute"
    DAY = "day"
    MONTH = "month"

    def start(self, now: datetime, zone: tzinfo) -> datetime:
        """Return the beginning of the span that contains *now*, in UTC."""
        if self is Period.MINUTE:
            return now.astimezone(UTC).replace(second=0, microsecond=0)
        today = now.astimezone(zone).date()
        return beginning(today.replace(day=1) if self is Period.MONTH else today, zone)

    def end(self, now: datetime, zone: tzinfo) -> datetime:
        """Return the beginning of the span after the one that contains *now*, in UTC."""
        if self is Period.MINUTE:
            return self.start(now, zone) + _MINUTE
        today = now.astimezone(zone).date()
        if self is Period.DAY:
            return beginning(today + _DAY, zone)
        return beginning((today.replace(day=1) + 31 * _DAY).replace(day=1), zone)


def beginning(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of *day*, in UTC. A day whose clock skips midnight begins at the skip."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit of one kind for each subject that it matches."""

    per: Per
    #: Glob of the ids or names of the subjects, in upper or lower case.
    match: str
    measure: Measure
    period: Period
    limit: Decimal
    #: Name of the role that a user has to have; None: any. Only for :attr:`Per.USER`.
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject of quotas."""

    per: Per
    #: The value by which its use is counted: a user id, role, room id, row id of an agent, or the name of an upstream.
    key: str
    #: Its ids and names.
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A request to an agent, by the subjects that it concerns."""

    user: str
    role: str
    room_id: str
    #: Row id of the agent, and its ids and names.
    agent: int
    agent_names: tuple[str, ...]
    upstream: str
    #: Whether a person sent it; else an agent asks for the person.
    is_of_person: bool = True
    #: Whether the configuration gives its model the price 0.
    is_free: bool = False

    def subject(self, per: Per) -> Subject:
        """Return its subject of the kind *per*."""
        return {
            Per.USER: Subject(Per.USER, self.user, (self.user,)),
            Per.ROLE: Subject(Per.ROLE, self.role, (self.role,)),
            Per.ROOM: Subject(Per.ROOM, self.room_id, (self.room_id,)),
            Per.AGENT: Subject(Per.AGENT, str(self.agent), self.agent_names),
            Per.UPSTREAM: Subject(Per.UPSTREAM, self.upstream, (self.upstream,)),
        }[per]


@dataclass(frozen=True, slots=True)
class QuotaBook:
    """All quotas, and the time zone of their days and months."""

    rules: Sequence[Rule]
    zone: tzinfo

    def matching(self, request: Request) -> list[Rule]:
        """Return the rules that concern *request*, in their order.

        An agent that asks another one sends no message of the person: such requests have limits of their own. A request
        that is free concerns no limit of money.
        """
        return [each for each in self.rules if _concerns(each, request)]

    def of_user(self, user: str, role: str, measure: Measure, period: Period) -> Decimal | None:
        """Return the lowest limit of *measure* in *period* for *user* with *role*; None: there is none."""
        found = [
            each.limit
            for each in self.rules
            if (each.per, each.measure, each.period) == (Per.USER, measure, period)
            and each.role in {None, role}
            and matches((user,), (each.match,))
        ]
        return min(found, default=None)


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that a request would exceed."""

    rule: Rule
    subject: Subject
    #: When the span ends in which the limit counts, in UTC; None: the limit is 0, so waiting does not help.
    until: datetime | None


def first_exceeded(
    rules: Sequence[Rule], request: Request, used: Callable[[Rule], Decimal], now: datetime, zone: tzinfo
) -> Exceeded | None:
    """Return the first of *rules* that *request* exceeds at *now*; None: it may be sent.

    *used* returns, for messages, the place of the request among those of the subject, from 1. For tokens and money it
    returns the sum of the requests that have ended: a request of which nothing is left begins no more.
    """
    for rule in rules:
        counted = used(rule)
        if counted > rule.limit if rule.measure is Measure.MESSAGES else counted >= rule.limit:
            until = rule.period.end(now, zone) if rule.limit else None
            return Exceeded(rule, request.subject(rule.per), until)
    return None


def _concerns(rule: Rule, request: Request) -> bool:
    if rule.role not in {None, request.role} or (rule.measure is Measure.MONEY and request.is_free):
        return False
    if rule.measure is Measure.MESSAGES and rule.per in {Per.USER, Per.ROLE} and not request.is_of_person:
        return False
    return matches(request.subject(rule.per).names, (rule.match,))
