"""Repetitions in the words of people: ``every weekday 9:00``, and expressions of cron."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.core.times.kinds import Cron, Interval, TimeProblem
from agent_bridge.core.times.words import END, ORDINAL, Words
from agent_bridge.i18n import time_words as words
from agent_bridge.i18n.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds of the longest interval, and times of one day.
_LONGEST_INTERVAL, _MOST_TIMES = 365 * 86_400, 12
#: A field of an expression of cron, and the number of fields.
FIELD, FIELDS = re.compile(r"[0-9a-z*/,-]+"), 5


class Repetitions(Words):
    """Reads a repetition."""

    def repetition(self) -> Interval | Cron | None:
        """Read a repetition; None: the text begins with none.

        Raises:
            TimeExpressionError: it begins like one.
        """
        return self._first_of(self._cron, self._adverb, self._every, self._each_on, self._day_of_month_first)

    def _first_of(self, *readers: Callable[[], Interval | Cron | None]) -> Interval | Cron | None:
        """Return the first thing that one of *readers* reads."""
        place = self.at
        for each in readers:
            if (found := each()) is not None:
                return found
            self.at = place
        return None

    def _cron(self) -> Cron | None:
        if self.take(words.CRON) is None:
            return None
        fields: list[str] = []
        while len(fields) < FIELDS:
            # A list has commas, which are tokens.
            field = self._field()
            if not field or FIELD.fullmatch(field) is None:
                raise self.error(TimeProblem.BAD_CRON, back=1 if field else 0)
            fields.append(field)
        return Cron((" ".join(fields),))

    def _field(self) -> str:
        field, end = "", None
        while (token := self.peek()) is not END and (end is None or token.end - len(token.typed) == end):
            field, end, self.at = field + token.word, token.end, self.at + 1
        return field

    def _adverb(self) -> Interval | Cron | None:
        if self.take(words.HOURLY):
            return Interval(UNITS["hour"])
        if self.take(words.DAILY):
            return self._at_times("* * *")
        if self.take(words.WEEKLY):
            return self._on_weekdays()
        if self.take(words.MONTHLY):
            return self._in_month()
        return None

    def _every(self) -> Interval | Cron | None:
        self.take(words.ON)
        if self.take(words.EVERY) is None:
            return None
        if self.peek() is END:
            raise self.error(TimeProblem.UNKNOWN_WORD, back=1)
        found = self._first_of(
            self._workdays, self._weekdays, self._every_month, self._interval, self._every_day_of_month
        )
        if found is not None:
            return found
        raise self.error(TimeProblem.UNKNOWN_WORD)

    def _each_on(self) -> Cron | None:
        """Read ``по будням``, ``on mondays``, ``weekdays``."""
        if self.take(words.EACH_ON):
            found = self._workdays() or self._weekdays()
            if found is None:
                raise self.error(TimeProblem.UNKNOWN_WORD)
            return found
        self.take(words.ON)
        word = self.peek().word
        plural = word.endswith("s") and word.removesuffix("s") in words.WEEKDAYS and len(word) > len("thurs")
        if plural or word in words.PLURAL_GROUPS:
            return self._workdays() or self._weekdays()
        return None

    def _interval(self) -> Interval | Cron | None:
        """Read ``30 minutes``, ``hour``, ``day``; the last one needs a time of the day."""
        seconds = self.amount()
        if seconds is None:
            return None
        if not 0 < seconds <= _LONGEST_INTERVAL:
            raise self.error(TimeProblem.TOO_FAR, back=1)
        if seconds == UNITS["day"]:
            return self._at_times("* * *")
        if seconds == UNITS["week"]:
            return self._on_weekdays()
        if self.attempt(self.clock) is not None:
            # Every second day at a time of the day: cron has no such thing.
            raise self.error(TimeProblem.UNKNOWN_WORD, back=1)
        return Interval(seconds)

    def _workdays(self) -> Cron | None:
        for days, group in (("1-5", words.WORKDAYS), ("0,6", words.WEEKEND)):
            if self.take(group):
                self.take(words.DAY, words.NOISE)
                return self._at_times(f"* * {days}")
        return None

    def _weekdays(self) -> Cron | None:
        days = self.listed(self._weekday)
        return self._at_times(f"* * {','.join(map(str, sorted(set(days))))}") if days else None

    def _weekday(self) -> int | None:
        self.take(words.ON)
        self.take(words.EVERY, words.EACH_ON)
        word = self.take(words.WEEKDAYS)
        return None if word is None else words.WEEKDAYS[word]

    def _on_weekdays(self) -> Cron | None:
        """Read the days behind ``weekly``."""
        self.take(words.EACH_ON)
        found = self._weekdays()
        if found is None:
            raise self.error(TimeProblem.NO_TIME, back=1)
        return found

    def _every_month(self) -> Cron | None:
        return self._in_month() if self.take(words.MONTH) else None

    def _in_month(self) -> Cron:
        """Read the day behind ``every month``."""
        self.take(words.ON)
        self.take(words.NOISE)
        days = self.listed(self._day_number)
        if not days:
            raise self.error(TimeProblem.NO_TIME, back=1)
        self.take(words.DAY_OF_MONTH)
        return self._on_days(days)

    def _every_day_of_month(self) -> Cron | None:
        """Read ``1st of the month``, ``1 числа``."""
        days = self.listed(self._day_number)
        if not days or not self._of_month():
            return None
        return self._on_days(days)

    def _day_of_month_first(self) -> Cron | None:
        """Read ``on the 1st of every month``, ``1-го числа каждого месяца``."""
        self.take(words.ON)
        self.take(words.NOISE)
        days = self.listed(self._day_number)
        if not days:
            return None
        self.take(words.DAY_OF_MONTH)
        self.take(words.NOISE)
        if self.take(words.EVERY) is None or self.take(words.MONTH) is None:
            return None
        return self._on_days(days)

    def _of_month(self) -> bool:
        """Read ``of the month`` and the like; tell whether there is something of it."""
        found = self.take(words.DAY_OF_MONTH) is not None
        while self.take(words.NOISE):
            pass
        self.take(words.EVERY)
        return self.take(words.MONTH) is not None or found

    def _on_days(self, days: list[int]) -> Cron:
        return self._at_times(f"{','.join(map(str, sorted(set(days))))} * *")

    def _day_number(self) -> int | None:
        self.take(words.NOISE)
        match = self.match(ORDINAL)
        if match is None:
            return None
        day = int(match["day"])
        if not 1 <= day <= 31:  # noqa: PLR2004
            raise self.error(TimeProblem.BAD_DATE, back=1)
        return day

    def _at_times(self, days: str) -> Cron:
        """Read the times of the day at which something repeats; *days*: the last three fields of cron."""
        times = self.listed(self.clock, most=_MOST_TIMES)
        if not times:
            raise self.error(TimeProblem.NO_TIME, back=1)
        hours: dict[int, set[int]] = {}
        for each in times:
            hours.setdefault(each.minute, set()).add(each.hour)
        return Cron(
            tuple(f"{minute} {','.join(map(str, sorted(group)))} {days}" for minute, group in sorted(hours.items()))
        )
