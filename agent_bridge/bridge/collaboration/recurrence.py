"""The due times of schedules: the next one, and how many there were. croniter reckons with expressions of cron.

croniter gets times of a clock on the wall, without a zone, and ``core/times/local.py`` decides which moments
they are. A time that clocks leave out is due at the first moment behind the gap; one that they show twice, at the first
of the two. An expression for every hour (``*`` or ``*/2``) follows the clocks: nothing in the gap, and both hours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from croniter import croniter  # type: ignore[import-untyped]

from agent_bridge.core.times.kinds import Cron, Interval, Moment, TimeExpressionError, TimeProblem
from agent_bridge.core.times.local import moment_of, wall_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from agent_bridge.core.times.kinds import When

#: Times of the clock between which at most one change of clocks lies, and changes that are followed.
_NEAR, _MOST_CHANGES = timedelta(days=2), 10
_SECOND = timedelta(seconds=1)
#: Due times of an expression that are compared, for the shortest distance.
_COMPARED = 60
#: More missed times are not counted.
MOST_MISSED = 100
#: The fields of cron. Of the additions of croniter they have the last day of a month alone.
_FIELDS = tuple(
    re.compile(pattern)
    for pattern in (
        r"[0-9*,/-]+",
        r"[0-9*,/-]+",
        r"[0-9*,/-]+|l",
        r"[0-9*,/-]+|[a-z,-]+",
        r"[0-9*,/-]+|[a-z,-]+",
    )
)


def checked(when: When, zone: tzinfo, now: datetime) -> When:
    """Return *when*, whose expressions are valid and have a due time behind *now*.

    Raises:
        TimeExpressionError: they are not, or have none.
    """
    if isinstance(when, Cron):
        for each in when.expressions:
            _check_cron(each)
        if next_due(when, zone, now) is None:
            raise TimeExpressionError(TimeProblem.TOO_FAR, when.expressions[0])
    return when


def next_due(when: When, zone: tzinfo, after: datetime, last: datetime | None = None) -> datetime | None:
    """Return the first due time behind *after*; None if there is none. *last*: the due time before."""
    match when:
        case Moment(at):
            return at if last is None and at > after else None
        case Interval(seconds):
            length, since = timedelta(seconds=seconds), after if last is None else last
            # A clock that was set back does not repeat a due time.
            return since + max(1, (after - since) // length + 1) * length
        case Cron(expressions):
            each_next = (_next_of_cron(each, zone, after) for each in expressions)
            return min((each for each in each_next if each is not None), default=None)


def missed_until(when: When, zone: tzinfo, due: datetime, now: datetime) -> int:
    """Return the number of due times from *due*, which is one, up to *now*: at most :data:`MOST_MISSED`."""
    count = 1
    at = next_due(when, zone, due, due)
    while at is not None and at <= now and count < MOST_MISSED:
        count, at = count + 1, next_due(when, zone, at, at)
    return count


def shortest_distance(when: When, zone: tzinfo, now: datetime) -> float | None:
    """Return the seconds between the next due times that are nearest to each other; None: it is due once."""
    if not isinstance(when, Cron):
        return float(when.seconds) if isinstance(when, Interval) else None
    times: list[datetime] = []
    at: datetime | None = now
    while at is not None and len(times) < _COMPARED and (at := next_due(when, zone, at)) is not None:
        times.append(at)
    return min(((b - a).total_seconds() for a, b in pairwise(times)), default=None)


def encoded(when: When) -> str:
    """Return *when* as it is stored."""
    match when:
        case Moment(at):
            return f"once {at.astimezone(UTC).isoformat()}"
        case Interval(seconds):
            return f"every {seconds}"
        case Cron(expressions):
            return f"cron {'|'.join(expressions)}"


def decoded(rule: str) -> When:
    """Return the time that *rule* stores.

    Raises:
        ValueError: no program of the bridge wrote it.
    """
    kind, _, value = rule.partition(" ")
    if kind == "once":
        return Moment(datetime.fromisoformat(value).astimezone(UTC))
    if kind == "every" and int(value) > 0:
        return Interval(int(value))
    if kind != "cron":
        raise ValueError(f"no rule of a schedule: {rule!r}")
    for each in value.split("|"):
        _check_cron(each)
    return Cron(tuple(value.split("|")))


def _check_cron(expression: str) -> None:
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise TimeExpressionError(TimeProblem.BAD_CRON, expression)
    for place, (field, pattern) in enumerate(zip(fields, _FIELDS, strict=True)):
        alone = " ".join(field if each == place else "*" for each in range(len(fields)))
        if pattern.fullmatch(field) is None or not croniter.is_valid(alone):
            raise TimeExpressionError(TimeProblem.BAD_CRON, field)


def _next_of_cron(expression: str, zone: tzinfo, after: datetime) -> datetime | None:
    if expression.split()[1].startswith("*"):
        return _next_of_every_hour(expression, zone, after)
    # Walls in their order mean moments in their order.
    return next(
        (at for wall in _walls(expression, wall_of(after, zone)) if (at := moment_of(wall, zone)) > after), None
    )


def _next_of_every_hour(expression: str, zone: tzinfo, after: datetime) -> datetime | None:
    """Return the first moment behind *after* at which clocks show a time that *expression* matches."""
    start, wall = after, wall_of(after, zone)
    for _ in range(_MOST_CHANGES):
        found = next(_walls(expression, wall), None)
        if found is None:
            return None
        if found - wall > _NEAR:
            start = moment_of(found, zone) - _NEAR / 2
            wall = wall_of(start, zone)
            continue
        at = start + (found - wall)
        if wall_of(at, zone) == found:
            return at
        # The clocks are changed before: they go on from the time that they are set to.
        start = _change(start, at, zone) - _SECOND
        wall = wall_of(start + _SECOND, zone) - _SECOND
    return None


def _change(before: datetime, behind: datetime, zone: tzinfo) -> datetime:
    """Return the moment at which clocks are changed, of which there is one between *before* and *behind*."""
    difference = wall_of(before, zone) - before.replace(tzinfo=None)
    while behind - before > _SECOND:
        middle = before + (behind - before) // _SECOND // 2 * _SECOND
        if wall_of(middle, zone) - middle.replace(tzinfo=None) == difference:
            before = middle
        else:
            behind = middle
    return behind


def _walls(expression: str, since: datetime) -> Iterator[datetime]:
    """Yield the times of the clock behind *since* that *expression* matches."""
    iterator = croniter(expression, since)
    while True:
        try:
            yield iterator.get_next(datetime)
        except ValueError:
            # There is none within 50 years.
            return
