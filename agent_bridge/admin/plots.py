"""The values of the plots, and of the table with the same values, from the sums of the bridge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from agent_bridge.core.rollups import DAYS, joined, percentile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from agent_bridge.core.rollups import Rollup

#: Shares of the answers whose times are shown.
MEDIAN, MOST = 0.5, 0.95
#: Seconds between two points.
_HOUR: Final = 3600


class Span(StrEnum):
    """The time that the plots show."""

    DAY = "day"
    WEEK = "week"

    @property
    def seconds(self) -> int:
        """Its length."""
        return (1 if self is Span.DAY else DAYS) * 86_400

    @property
    def step(self) -> int:
        """Seconds between two points."""
        return _HOUR // 4 if self is Span.DAY else _HOUR


@dataclass(frozen=True, slots=True)
class DayRow:
    """The sums of one day."""

    sums: Rollup
    first: tuple[float | None, float | None]
    whole: tuple[float | None, float | None]


def beginning(span: Span, now: datetime) -> datetime:
    """Return the beginning of *span*, which ends at *now*: that of a point."""
    begin = (now - timedelta(seconds=span.seconds)).timestamp()
    return datetime.fromtimestamp(begin // span.step * span.step, UTC)


def points(sums: Sequence[Rollup], span: Span, now: datetime) -> dict[str, Any]:
    """Return the points of the plots of *sums* as columns of JSON, with a point for each step of *span*."""
    begin = beginning(span, now).timestamp()
    # The first and the present step are not whole.
    steps = [begin + number * span.step for number in range(1, int((now.timestamp() - begin) // span.step))]
    by_step = {
        step: joined(datetime.fromtimestamp(step, UTC), list(parts))
        for step, parts in groupby(sums, key=lambda each: each.at.timestamp() // span.step * span.step)
    }
    shown = [by_step.get(step) for step in steps]
    # A rate is told by the hour, whatever the step.
    per_hour = _HOUR / span.step

    def rate(name: str) -> list[float]:
        return [0 if each is None else round(getattr(each, name) * per_hour, 2) for each in shown]

    def times(name: str, share: float) -> list[float | None]:
        found = [None if each is None else percentile(getattr(each, name), share) for each in shown]
        return [None if each is None else round(each, 3) for each in found]

    return {
        "at": [int(step) for step in steps],
        "ends": [rate("done"), rate("failed"), rate("stopped")],
        "words": [times("first_words", MEDIAN), times("first_words", MOST)],
        "times": [times("whole_answer", MEDIAN), times("whole_answer", MOST)],
        "sums": [rate("input_tokens"), rate("output_tokens")],
    }


def days(sums: Sequence[Rollup], zone: tzinfo) -> list[DayRow]:
    """Return the sums of each day of *zone*, the newest first. Days without requests are left out."""
    found = []
    for day, parts in groupby(sums, key=lambda each: each.at.astimezone(zone).date()):
        whole = joined(datetime(day.year, day.month, day.day, tzinfo=zone), list(parts))
        times = [(percentile(each, MEDIAN), percentile(each, MOST)) for each in (whole.first_words, whole.whole_answer)]
        found.append(DayRow(whole, times[0], times[1]))
    return found[::-1]
