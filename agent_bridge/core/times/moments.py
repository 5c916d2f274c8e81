"""Moments in the words of people: ``tomorrow 9:00``, ``in 20 minutes``, ``2026-12-01 12:00``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from agent_bridge.core.times.kinds import Moment, TimeExpressionError, TimeProblem
from agent_bridge.core.times.local import moment_of, wall_of
from agent_bridge.core.times.words import COUNT, END, ORDINAL, Words
from agent_bridge.i18n import time_words as words
from agent_bridge.i18n.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from agent_bridge.core.times.words import ClockTime

#: Days from now to the latest moment.
MOST_DAYS = 5 * 366
#: The first year that a person can mean, and the last one that can be reckoned with.
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_ISO_DAY = re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}t\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:z|[+-]\d{2}:?\d{2})?")
_DOTTED_DAY = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})(?:\.(?P<year>\d{4})?)?")
_YEAR = re.compile(r"\d{4}")


class Moments(Words):
    """Reads a moment, as a person in *zone* means it at the moment *now*."""

    def __init__(self, text: str, now: datetime, zone: tzinfo) -> None:
        super().__init__(text)
        self._now = now
        self._zone = zone
        self._wall = wall_of(now, zone)

    def moment(self) -> Moment:
        """Read a moment.

        Raises:
            TimeExpressionError: the text begins with none.
        """
        if self.peek() is END:
            raise TimeExpressionError(TimeProblem.EMPTY)
        found = self.attempt(self._after) or self.attempt(self._iso) or self.attempt(self._day_and_clock)
        if found is None:
            found = self.attempt(self._clock_and_day)
        if found is None:
            self.take(words.ON, words.AT, words.NEXT)
            raise self.error(TimeProblem.UNKNOWN_WORD, back=0 if self.peek() is not END else 1)
        return found

    def _after(self) -> Moment | None:
        """Read ``in 20 minutes``, ``1 hour 30 minutes``, ``in an hour``, ``in half an hour``."""
        is_told = self.take(words.IN) is not None
        if is_told and self.take(words.HALF_AN_HOUR):
            return Moment(self._now + timedelta(seconds=UNITS["hour"] // 2))
        is_half = is_told and self.take(words.HALF) is not None
        seconds, has_any = 0, False
        amount = self.attempt(lambda: self._length(alone=is_told))
        while amount is not None:
            seconds, has_any = seconds + amount, True
            amount = self.attempt(self._further_length)
        if not has_any:
            if is_told and self.peek() is not END:
                if COUNT.fullmatch(self.peek().word) and self.peek(1) is not END:
                    self.at += 1
                raise self.error(TimeProblem.UNKNOWN_WORD)
            return None
        seconds = seconds // 2 if is_half else seconds
        if not 0 < seconds <= MOST_DAYS * UNITS["day"]:
            raise self.error(TimeProblem.TOO_FAR, back=1)
        return Moment(self._now + timedelta(seconds=seconds))

    def _further_length(self) -> int | None:
        self.take(words.AND)
        return self._length(alone=False)

    def _length(self, *, alone: bool) -> int | None:
        """Read one part of a length of time, in seconds; *alone*: the number may be missing."""
        if not alone and COUNT.fullmatch(self.peek().word) is None:
            return None
        return self.amount()

    def _iso(self) -> Moment | None:
        """Read a moment by ISO 8601, with a letter between date and time."""
        match = self.match(_ISO)
        if match is None:
            return None
        try:
            at = datetime.fromisoformat(match[0].upper())
        except ValueError:
            raise self.error(TimeProblem.BAD_DATE, back=1) from None
        if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
            raise self.error(TimeProblem.TOO_FAR, back=1)
        return Moment(moment_of(at, self._zone) if at.tzinfo is None else at.astimezone(UTC))

    def _day_and_clock(self) -> Moment | None:
        self.take(words.ON)
        day = self.attempt(self._day)
        if day is None:
            return None
        self.take({","})
        clock = self.attempt(self.clock)
        if clock is None:
            raise self.error(TimeProblem.NO_TIME, back=1)
        return day(clock)

    def _clock_and_day(self) -> Moment | None:
        clock = self.attempt(self.clock)
        if clock is None:
            return None

        def behind() -> Callable[[ClockTime], Moment] | None:
            self.take(words.ON, {","})
            return self._day()

        day = self.attempt(behind)
        return self._next(clock, lambda _: True) if day is None else day(clock)

    def _day(self) -> Callable[[ClockTime], Moment] | None:
        """Read a day; return the function from a time of the day to the moment."""
        return self.attempt(self._near_day) or self.attempt(self._next_weekday) or self.attempt(self._date)

    def _near_day(self) -> Callable[[ClockTime], Moment] | None:
        if [self.peek(place).word for place in range(3)] == ["day", "after", "tomorrow"]:
            self.at += 3
            days = 2
        elif (word := self.take(words.DAYS_FROM_NOW)) is not None:
            days = words.DAYS_FROM_NOW[word]
        else:
            return None
        return lambda clock: self._at_wall(self._wall + timedelta(days=days), clock)

    def _next_weekday(self) -> Callable[[ClockTime], Moment] | None:
        self.take(words.NEXT)
        word = self.take(words.WEEKDAYS)
        if word is None:
            return None
        wanted = words.WEEKDAYS[word]
        return lambda clock: self._next(clock, lambda day: day.isoweekday() % 7 == wanted)

    def _date(self) -> Callable[[ClockTime], Moment] | None:
        """Read a date. Without a year it is the next such day."""
        found = self.attempt(self._numbers_of_date) or self.attempt(self._named_date)
        if found is None:
            return None
        year, month, day = found
        word = self.last
        if not (1 <= month <= 12 and 1 <= day <= 31):  # noqa: PLR2004
            raise TimeExpressionError(TimeProblem.BAD_DATE, word)
        if year is None:
            is_wanted: Callable[[datetime], bool] = lambda at: (at.month, at.day) == (month, day)  # noqa: E731
            return lambda clock: self._next(clock, is_wanted, word)
        if not _FIRST_YEAR <= year <= _LAST_YEAR:
            raise TimeExpressionError(TimeProblem.TOO_FAR, word)
        try:
            date = datetime(year, month, day)  # noqa: DTZ001  # a clock on the wall
        except ValueError:
            raise TimeExpressionError(TimeProblem.BAD_DATE, word) from None
        return lambda clock: self._at_wall(date, clock)

    def _numbers_of_date(self) -> tuple[int | None, int, int] | None:
        match = self.match(_ISO_DAY) or self.match(_DOTTED_DAY)
        if match is None:
            return None
        year = match["year"]
        return None if year is None else int(year), int(match["month"]), int(match["day"])

    def _named_date(self) -> tuple[int | None, int, int] | None:
        """Read ``1 december 2026``, ``the 1st of december``, ``december 1``."""
        self.take(words.NOISE)
        day = self.match(ORDINAL)
        self.take(words.NOISE)
        month = self.take(words.MONTHS)
        if month is None:
            return None
        day = day or self.match(ORDINAL)
        if day is None:
            raise self.error(TimeProblem.BAD_DATE, back=1)
        self.attempt(lambda: self.take({","}) if _YEAR.fullmatch(self.peek(1).word) else None)
        year = self.match(_YEAR)
        self.take(words.YEAR)
        return None if year is None else int(year[0]), words.MONTHS[month], int(day["day"])

    def _next(self, clock: ClockTime, is_wanted: Callable[[datetime], bool], word: str = "") -> Moment:
        """Return the next moment with the time of the day on a day that is wanted."""
        for days in range(MOST_DAYS):
            day = self._wall + timedelta(days=days)
            if is_wanted(day) and (found := self._at_wall(day, clock)).at > self._now:
                return found
        raise TimeExpressionError(TimeProblem.BAD_DATE, word)

    def _at_wall(self, day: datetime, clock: ClockTime) -> Moment:
        wall = day.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
        return Moment(moment_of(wall, self._zone))
