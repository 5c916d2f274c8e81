"""Moments and repetitions as people type them, in every language of the texts: ``tomorrow 9:00``, ``every weekday 9:00``.

:func:`parse_time` reads both, :func:`parse_moment` moments alone. The words are in :mod:`agent_bridge.i18n.time_words`.

=================================== ===================================================================
moments                             ``in 20 minutes``, ``today 18:00``, ``tomorrow at 9am``, ``friday 9:00``,
                                    ``9:00``, ``2026-12-01 12:00``, ``01.12.2026 12:00``, ``1 december 12:00``,
                                    ``2026-12-01T12:00Z``
repetitions                         ``every day 9:00``, ``every weekday 9:00 and 17:00``, ``every monday and friday 9:00``,
                                    ``every 30 minutes``, ``every hour``, ``every 1st of the month 9:00``
five fields of cron                 ``cron 0 9 * * 1-5``; without the word if they are all of the text
=================================== ===================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from agent_bridge.core.local_time import moment_of, wall_of
from agent_bridge.i18n import time_words as words
from agent_bridge.i18n.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import tzinfo

T = TypeVar("T")
#: Seconds of the longest interval, and days from now to the latest moment.
LONGEST_INTERVAL, _MOST_DAYS = 365 * 86_400, 5 * 366
#: Characters of an expression, and times of one day.
LONGEST, _MOST_TIMES = 200, 12
#: The first year that a person can mean, and the last one that can be reckoned with.
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_TOKEN = re.compile(r"[^\s,]+|,")
_CLOCK = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?P<half>am|pm)?")
_DOTTED_CLOCK = re.compile(r"(?P<hour>\d{1,2})\.(?P<minute>\d{2})")
_HOUR = re.compile(r"(?P<hour>\d{1,2})(?P<half>am|pm)?")
_COUNT = re.compile(r"(?P<number>\d{1,6})(?P<unit>[^\W\d_]+)?")
_ISO_DAY = re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}t\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:z|[+-]\d{2}:?\d{2})?")
_DOTTED_DAY = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})(?:\.(?P<year>\d{4})?)?")
_ORDINAL = re.compile(r"(?P<day>\d{1,2})(?:st|nd|rd|th|-?го|-?е)?")
_YEAR = re.compile(r"\d{4}")
_FIELD = re.compile(r"[0-9a-z*/,-]+|l")
_FIELDS = 5


class TimeProblem(StrEnum):
    """Why words mean no time."""

    #: There are no words.
    EMPTY = "empty"
    UNKNOWN_WORD = "unknown_word"
    #: The time of the day is missing behind the word.
    NO_TIME = "no_time"
    #: There is no such time of the day.
    BAD_TIME = "bad_time"
    #: The calendar has no such day.
    BAD_DATE = "bad_date"
    BAD_CRON = "bad_cron"
    #: The moment is over.
    PAST = "past"
    #: The moment, or the interval, is too far, or does not come at all.
    TOO_FAR = "too_far"
    #: It repeats, and one moment is needed.
    REPEATS = "repeats"


class TimeExpressionError(ValueError):
    """Words that mean no time. *word* is the one that is the matter, as it was typed."""

    def __init__(self, problem: TimeProblem, word: str = "") -> None:
        super().__init__(problem, word)
        self.problem = problem
        self.word = word


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment, in UTC."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """A repetition after a fixed length of time, whatever clocks show."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Cron:
    """The times of a clock that at least one of the expressions of five fields matches."""

    expressions: tuple[str, ...]


When: TypeAlias = Moment | Interval | Cron


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
    parser = _Parser(text, now, zone)
    when = parser.when()
    if isinstance(when, Moment):
        _check(when, now, text)
    end = parser.end
    return ParsedTime(when, text[:end].strip(), text[end:].strip())


def parse_whole_time(text: str, now: datetime, zone: tzinfo) -> When:
    """Return the time that *text* means, as :func:`parse_time` does; words that are left over are unknown.

    Raises:
        TimeExpressionError: it means none.
    """
    fields = text.lower().split()
    if len(fields) == _FIELDS and all(map(_FIELD.fullmatch, fields)) and ("*" in text or fields[0].isdecimal()):
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
    if when.at - now > timedelta(days=_MOST_DAYS):
        raise TimeExpressionError(TimeProblem.TOO_FAR, text.strip())


@dataclass(frozen=True, slots=True)
class _Token:
    #: In lower case, as the tables have it; and as it was typed.
    word: str
    typed: str
    end: int


#: Stands behind the last token.
_END: Final = _Token("", "", 0)


@dataclass(frozen=True, slots=True)
class _Clock:
    hour: int
    minute: int


class _Parser:
    """Reads tokens from the left. A method that returns None has read nothing."""

    def __init__(self, text: str, now: datetime, zone: tzinfo) -> None:
        self._tokens = [
            _Token(_folded(match[0]), match[0], match.end())
            for match, _ in zip(_TOKEN.finditer(text[: 2 * LONGEST]), range(LONGEST), strict=False)
        ]
        self._at = 0
        self._now = now
        self._zone = zone
        self._wall = wall_of(now, zone)

    @property
    def end(self) -> int:
        """Number of characters that are read."""
        return self._tokens[self._at - 1].end if self._at else 0

    def when(self) -> When:
        """Read a time.

        Raises:
            TimeExpressionError: the text begins with none.
        """
        if not self._tokens:
            raise TimeExpressionError(TimeProblem.EMPTY)
        return self._cron() or self._repetition() or self._moment()

    # Tokens.

    def _peek(self, ahead: int = 0) -> _Token:
        place = self._at + ahead
        return self._tokens[place] if place < len(self._tokens) else _END

    def _take(self, *wanted: Collection[str]) -> str | None:
        """Read a word of one of *wanted*."""
        word = self._peek().word
        if word and any(word in each for each in wanted):
            self._at += 1
            return word
        return None

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.fullmatch(self._peek().word)
        if found is not None:
            self._at += 1
        return found

    def _try(self, read: Callable[[], T | None]) -> T | None:
        """Return what *read* reads; if that is None, nothing is read."""
        place = self._at
        found = read()
        if found is None:
            self._at = place
        return found

    def _error(self, problem: TimeProblem, *, back: int = 0) -> TimeExpressionError:
        """Return an error about the next token, or about an earlier one."""
        place = min(max(self._at - back, 0), len(self._tokens) - 1)
        return TimeExpressionError(problem, self._tokens[place].typed)

    # Cron.

    def _cron(self) -> Cron | None:
        if self._take(words.CRON) is None:
            return None
        fields: list[str] = []
        while len(fields) < _FIELDS:
            # A list has commas, which are tokens.
            field = self._field()
            if not field or _FIELD.fullmatch(field) is None:
                raise self._error(TimeProblem.BAD_CRON, back=1 if field else 0)
            fields.append(field)
        return Cron((" ".join(fields),))

    def _field(self) -> str:
        field, end = "", None
        while (token := self._peek()) is not _END and (end is None or token.end - len(token.typed) == end):
            field, end, self._at = field + token.word, token.end, self._at + 1
        return field

    # Repetitions.

    def _repetition(self) -> Interval | Cron | None:
        return (
            self._try(self._adverb)
            or self._try(self._every)
            or self._try(self._each_on)
            or self._try(self._day_of_month_first)
        )

    def _adverb(self) -> Interval | Cron | None:
        if self._take(words.HOURLY):
            return Interval(UNITS["hour"])
        if self._take(words.DAILY):
            return self._at_times("* * *")
        if self._take(words.WEEKLY):
            return self._on_weekdays()
        if self._take(words.MONTHLY):
            return self._in_month()
        return None

    def _every(self) -> Interval | Cron | None:
        self._take(words.ON)
        if self._take(words.EVERY) is None:
            return None
        if self._peek() is _END:
            raise self._error(TimeProblem.UNKNOWN_WORD, back=1)
        found = (
            self._try(self._workdays)
            or self._try(self._weekdays)
            or self._try(self._every_month)
            or self._try(self._interval)
            or self._try(self._every_day_of_month)
        )
        if found is not None:
            return found
        raise self._error(TimeProblem.UNKNOWN_WORD)

    def _each_on(self) -> Cron | None:
        """Read ``по будням``, ``on mondays``, ``weekdays``."""
        if self._take(words.EACH_ON):
            found = self._workdays() or self._weekdays()
            if found is None:
                raise self._error(TimeProblem.UNKNOWN_WORD)
            return found
        self._take(words.ON)
        word = self._peek().word
        plural = word.endswith("s") and word.removesuffix("s") in words.WEEKDAYS and len(word) > len("thurs")
        if plural or word in {"weekdays", "workdays", "weekends"}:
            return self._workdays() or self._weekdays()
        return None

    def _interval(self) -> Interval | Cron | None:
        """Read ``30 minutes``, ``hour``, ``day``; the last one needs a time of the day."""
        number, unit = self._amount()
        if unit is None:
            return None
        seconds = number * UNITS[unit]
        if not 0 < seconds <= LONGEST_INTERVAL:
            raise self._error(TimeProblem.TOO_FAR, back=1)
        if seconds == UNITS["day"]:
            return self._at_times("* * *")
        if seconds == UNITS["week"]:
            return self._on_weekdays()
        if self._try(self._clock) is not None:
            # Every second day at a time of the day: cron has no such thing.
            raise self._error(TimeProblem.UNKNOWN_WORD, back=1)
        return Interval(seconds)

    def _amount(self) -> tuple[int, str | None]:
        """Read a number, which may be missing, and a unit; the unit is None if there is none."""
        match = _COUNT.fullmatch(self._peek().word)
        if match is not None:
            if match["unit"] is not None:
                return (int(match["number"]), match["unit"]) if self._amount_is_unit(match["unit"]) else (0, None)
            self._at += 1
            if (unit := self._take(UNITS)) is not None:
                return int(match["number"]), unit
            return 0, None
        self._take(words.ONE)
        return 1, self._take(UNITS)

    def _amount_is_unit(self, unit: str) -> bool:
        if unit not in UNITS:
            return False
        self._at += 1
        return True

    def _workdays(self) -> Cron | None:
        for days, group in (("1-5", words.WORKDAYS), ("0,6", words.WEEKEND)):
            if self._take(group):
                self._take(words.DAY, words.NOISE)
                return self._at_times(f"* * {days}")
        return None

    def _weekdays(self) -> Cron | None:
        days = self._list(self._weekday)
        return self._at_times(f"* * {','.join(map(str, sorted(set(days))))}") if days else None

    def _weekday(self) -> int | None:
        self._take(words.ON)
        self._take(words.EVERY, words.EACH_ON)
        word = self._take(words.WEEKDAYS)
        return None if word is None else words.WEEKDAYS[word]

    def _on_weekdays(self) -> Cron | None:
        """Read the days behind ``weekly``."""
        self._take(words.EACH_ON)
        found = self._weekdays()
        if found is None:
            raise self._error(TimeProblem.NO_TIME, back=1)
        return found

    def _every_month(self) -> Cron | None:
        return self._in_month() if self._take(words.MONTH) else None

    def _in_month(self) -> Cron:
        """Read the day behind ``every month``."""
        self._take(words.ON)
        self._take(words.NOISE)
        days = self._list(self._day_number)
        if not days:
            raise self._error(TimeProblem.NO_TIME, back=1)
        self._take(words.DAY_OF_MONTH)
        return self._on_days(days)

    def _every_day_of_month(self) -> Cron | None:
        """Read ``1st of the month``, ``1 числа``."""
        days = self._list(self._day_number)
        if not days or not self._of_month():
            return None
        return self._on_days(days)

    def _day_of_month_first(self) -> Cron | None:
        """Read ``on the 1st of every month``, ``1-го числа каждого месяца``."""
        self._take(words.ON)
        self._take(words.NOISE)
        days = self._list(self._day_number)
        if not days:
            return None
        self._take(words.DAY_OF_MONTH)
        self._take(words.NOISE)
        if self._take(words.EVERY) is None or self._take(words.MONTH) is None:
            return None
        return self._on_days(days)

    def _of_month(self) -> bool:
        """Read ``of the month`` and the like; tell whether there is something of it."""
        found = self._take(words.DAY_OF_MONTH) is not None
        while self._take(words.NOISE):
            pass
        self._take(words.EVERY)
        return self._take(words.MONTH) is not None or found

    def _on_days(self, days: list[int]) -> Cron:
        return self._at_times(f"{','.join(map(str, sorted(set(days))))} * *")

    def _day_number(self) -> int | None:
        self._take(words.NOISE)
        match = self._match(_ORDINAL)
        if match is None:
            return None
        day = int(match["day"])
        if not 1 <= day <= 31:  # noqa: PLR2004
            raise self._error(TimeProblem.BAD_DATE, back=1)
        return day

    def _at_times(self, days: str) -> Cron:
        """Read the times of the day at which something repeats; *days*: the last three fields of cron."""
        times = self._list(self._clock, most=_MOST_TIMES)
        if not times:
            raise self._error(TimeProblem.NO_TIME, back=1)
        hours: dict[int, set[int]] = {}
        for each in times:
            hours.setdefault(each.minute, set()).add(each.hour)
        return Cron(
            tuple(f"{minute} {','.join(map(str, sorted(group)))} {days}" for minute, group in sorted(hours.items()))
        )

    def _list(self, read: Callable[[], T | None], most: int = 31) -> list[T]:
        """Read things with ``and`` or commas between them; none: nothing is read."""
        first = self._try(read)
        if first is None:
            return []
        found = [first]

        def further() -> T | None:
            while self._take(words.AND):
                pass
            return read() if self._tokens[self._at - 1].word in words.AND else None

        while len(found) < most and (following := self._try(further)) is not None:
            found.append(following)
        return found

    # Times of the day.

    def _clock(self) -> _Clock | None:
        """Read a time of the day. A number alone is an hour behind ``at`` only, or before ``am``."""
        is_told = self._take(words.AT) is not None
        if (word := self._take(words.CLOCK_WORDS)) is not None:
            return _Clock(words.CLOCK_WORDS[word], 0)
        match = self._match(_CLOCK) or (self._match(_DOTTED_CLOCK) if is_told else None)
        if match is not None:
            return self._checked(int(match["hour"]), int(match["minute"]), match.groupdict().get("half"))
        match = self._match(_HOUR)
        if match is None:
            return None
        half = match["half"]
        is_hour = self._take(words.OCLOCK) is not None
        if not (
            half or is_told or (is_hour and self._peek().word in words.HALVES) or self._peek().word in words.HALVES
        ):
            return None
        return self._checked(int(match["hour"]), 0, half)

    def _checked(self, hour: int, minute: int, half: str | None) -> _Clock:
        spoken = half or self._take(words.HALVES)
        if spoken is not None:
            if not 1 <= hour <= 12:  # noqa: PLR2004
                raise self._error(TimeProblem.BAD_TIME, back=1 if half else 2)
            hour = hour % 12 + (12 if words.HALVES[spoken] else 0)
        if hour > 23 or minute > 59:  # noqa: PLR2004
            raise self._error(TimeProblem.BAD_TIME, back=1)
        return _Clock(hour, minute)

    # Moments.

    def _moment(self) -> Moment:
        found = self._try(self._after) or self._try(self._iso) or self._try(self._day_and_clock)
        if found is None:
            found = self._try(self._clock_and_day)
        if found is None:
            self._take(words.ON, words.AT, words.NEXT)
            raise self._error(TimeProblem.UNKNOWN_WORD, back=0 if self._peek() is not _END else 1)
        return found

    def _after(self) -> Moment | None:
        """Read ``in 20 minutes``, ``1 hour 30 minutes``, ``in an hour``, ``in half an hour``."""
        is_told = self._take(words.IN) is not None
        if is_told and self._take(words.HALF_AN_HOUR):
            return Moment(self._now + timedelta(seconds=UNITS["hour"] // 2))
        is_half = is_told and self._take(words.HALF) is not None
        seconds, has_any = 0, False
        amount = self._try(lambda: self._length(alone=is_told))
        while amount is not None:
            seconds, has_any = seconds + amount, True
            amount = self._try(self._further_length)
        if not has_any:
            if is_told and self._peek() is not _END:
                if self._peek().word.isdecimal() and self._peek(1) is not _END:
                    self._at += 1
                raise self._error(TimeProblem.UNKNOWN_WORD)
            return None
        seconds = seconds // 2 if is_half else seconds
        if not 0 < seconds <= _MOST_DAYS * UNITS["day"]:
            raise self._error(TimeProblem.TOO_FAR, back=1)
        return Moment(self._now + timedelta(seconds=seconds))

    def _further_length(self) -> int | None:
        self._take(words.AND)
        return self._length(alone=False)

    def _length(self, *, alone: bool) -> int | None:
        """Read one part of a length of time, in seconds; *alone*: the number may be missing."""
        if not alone and _COUNT.fullmatch(self._peek().word) is None:
            return None
        number, unit = self._amount()
        return None if unit is None else number * UNITS[unit]

    def _iso(self) -> Moment | None:
        """Read a moment by ISO 8601, with a letter between date and time."""
        match = self._match(_ISO)
        if match is None:
            return None
        try:
            at = datetime.fromisoformat(match[0].upper())
        except ValueError:
            raise self._error(TimeProblem.BAD_DATE, back=1) from None
        if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
            raise self._error(TimeProblem.TOO_FAR, back=1)
        return Moment(moment_of(at, self._zone) if at.tzinfo is None else at.astimezone(UTC))

    def _day_and_clock(self) -> Moment | None:
        self._take(words.ON)
        day = self._try(self._day)
        if day is None:
            return None
        self._take({","})
        clock = self._try(self._clock)
        if clock is None:
            raise self._error(TimeProblem.NO_TIME, back=1)
        return day(clock)

    def _clock_and_day(self) -> Moment | None:
        clock = self._try(self._clock)
        if clock is None:
            return None

        def behind() -> Callable[[_Clock], Moment] | None:
            self._take(words.ON, {","})
            return self._day()

        day = self._try(behind)
        return self._next(clock, lambda _: True) if day is None else day(clock)

    def _day(self) -> Callable[[_Clock], Moment] | None:
        """Read a day; return the function from a time of the day to the moment."""
        return self._try(self._near_day) or self._try(self._next_weekday) or self._try(self._date)

    def _near_day(self) -> Callable[[_Clock], Moment] | None:
        if [self._peek(place).word for place in range(3)] == ["day", "after", "tomorrow"]:
            self._at += 3
            days = 2
        elif (word := self._take(words.DAYS_FROM_NOW)) is not None:
            days = words.DAYS_FROM_NOW[word]
        else:
            return None
        return lambda clock: self._at_wall(self._wall + timedelta(days=days), clock)

    def _next_weekday(self) -> Callable[[_Clock], Moment] | None:
        self._take(words.NEXT)
        word = self._take(words.WEEKDAYS)
        if word is None:
            return None
        wanted = words.WEEKDAYS[word]
        return lambda clock: self._next(clock, lambda day: day.isoweekday() % 7 == wanted)

    def _date(self) -> Callable[[_Clock], Moment] | None:
        """Read a date. Without a year it is the next such day."""
        found = self._try(self._numbers_of_date) or self._try(self._named_date)
        if found is None:
            return None
        year, month, day = found
        word = self._tokens[self._at - 1].typed
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
        match = self._match(_ISO_DAY) or self._match(_DOTTED_DAY)
        if match is None:
            return None
        year = match["year"]
        return None if year is None else int(year), int(match["month"]), int(match["day"])

    def _named_date(self) -> tuple[int | None, int, int] | None:
        """Read ``1 december 2026``, ``the 1st of december``, ``december 1``."""
        self._take(words.NOISE)
        day = self._match(_ORDINAL)
        self._take(words.NOISE)
        month = self._take(words.MONTHS)
        if month is None:
            return None
        day = day or self._match(_ORDINAL)
        if day is None:
            raise self._error(TimeProblem.BAD_DATE, back=1)
        self._try(lambda: self._take({","}) if _YEAR.fullmatch(self._peek(1).word) else None)
        year = self._match(_YEAR)
        self._take({"г", "года", "год"})
        return None if year is None else int(year[0]), words.MONTHS[month], int(day["day"])

    def _next(self, clock: _Clock, is_wanted: Callable[[datetime], bool], word: str = "") -> Moment:
        """Return the next moment with the time of the day on a day that is wanted."""
        for days in range(_MOST_DAYS):
            day = self._wall + timedelta(days=days)
            if is_wanted(day) and (found := self._at_wall(day, clock)).at > self._now:
                return found
        raise TimeExpressionError(TimeProblem.BAD_DATE, word)

    def _at_wall(self, day: datetime, clock: _Clock) -> Moment:
        wall = day.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
        return Moment(moment_of(wall, self._zone))


def _folded(word: str) -> str:
    """Return *word* as the tables have it."""
    folded = word.lower().replace("ё", "е")
    return folded.rstrip(".") if not folded[:1].isdecimal() or folded[-2:-1].isalpha() else folded
