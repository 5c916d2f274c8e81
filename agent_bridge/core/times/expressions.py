"""Moments and repetitions as people type them, in every language of the texts.

:func:`parse_time` reads both, :func:`parse_moment` moments alone. The words are in :mod:`agent_bridge.i18n.time_words`.

=================================== ===================================================================
moments                             ``in 20 minutes``, ``today 18:00``, ``tomorrow at 9am``, ``friday 9:00``,
                                    ``9:00``, ``2026-12-01 12:00``, ``01.12.2026 12:00``, ``1 december 12:00``,
                                    ``2026-12-01T12:00Z``
repetitions                         ``every day 9:00``, ``every weekday 9:00 and 17:00``, ``every mon, fri 9:00``,
                                    ``every 30 minutes``, ``every hour``, ``every 1st of the month 9:00``
five fields of cron                 ``cron 0 9 * * 1-5``; without the word if they are all of the text
=================================== ===================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent_bridge.core.times.kinds import Cron, Moment, TimeExpressionError, TimeProblem
from agent_bridge.core.times.moments import MOST_DAYS, Moments
from agent_bridge.core.times.repetitions import FIELD, FIELDS, Repetitions

if TYPE_CHECKING:
    from datetime import tzinfo

    from agent_bridge.core.times.kinds import When


@dataclass(frozen=True, slots=True)
class ParsedTime:
    """The time that the beginning of a text means."""

    when: When
    #: The words that mean it, and those behind them.
    text: str
    rest: str


def parse_time(text: str, now: datetime, zone: tzinfo) -> ParsedTime:
    """Return the time that the beginning of *text* means to a person in *zone* at the moment *now*.

    Raises:
        TimeExpressionError: it means none.
    """
    repetitions = Repetitions(text)
    repetition = repetitions.repetition()
    if repetition is not None:
        when: When = repetition
        end = repetitions.end
    else:
        moments = Moments(text, now, zone)
        when = moments.moment()
        _check(when, now, text)
        end = moments.end
    return ParsedTime(when, text[:end].strip(), text[end:].strip())


def parse_whole_time(text: str, now: datetime, zone: tzinfo) -> When:
    """Return the time that *text* means, as :func:`parse_time` does; words that are left over are unknown.

    Raises:
        TimeExpressionError: it means none.
    """
    fields = text.lower().split()
    if len(fields) == FIELDS and all(map(FIELD.fullmatch, fields)) and fields[0][0] in "*0123456789":
        return Cron((" ".join(fields),))
    found = parse_time(text, now, zone)
    if found.rest:
        raise TimeExpressionError(TimeProblem.UNKNOWN_WORD, found.rest.split()[0])
    return found.when


def parse_moment(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Return the moment, in UTC and behind *now*, that *text* means to a person in *zone*; a length of time may do.

    Raises:
        TimeExpressionError: it means none, or repeats.
    """
    when = parse_whole_time(text, now, zone)
    if not isinstance(when, Moment):
        raise TimeExpressionError(TimeProblem.REPEATS, text.split(maxsplit=1)[0])
    return when.at


def _check(when: Moment, now: datetime, text: str) -> None:
    if when.at <= now:
        raise TimeExpressionError(TimeProblem.PAST, text.strip())
    if when.at - now > timedelta(days=MOST_DAYS):
        raise TimeExpressionError(TimeProblem.TOO_FAR, text.strip())
