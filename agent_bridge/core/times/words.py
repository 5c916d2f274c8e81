"""Words of a text, read from the left: those of all times that people tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from agent_bridge.core.times.kinds import TimeExpressionError, TimeProblem
from agent_bridge.i18n import time_words as words
from agent_bridge.i18n.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")
#: Characters of an expression.
LONGEST = 200
_TOKEN = re.compile(r"[^\s,]+|,")
_CLOCK = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?P<half>am|pm)?")
_DOTTED_CLOCK = re.compile(r"(?P<hour>\d{1,2})\.(?P<minute>\d{2})")
_HOUR = re.compile(r"(?P<hour>\d{1,2})(?P<half>am|pm)?")
#: A number, perhaps with a unit.
COUNT = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>[^\W\d_]+)?")
_DECIMALS, _ONE_AND_A_HALF = re.compile(r"\d{1,3}"), 1.5
#: The number of a day.
ORDINAL = re.compile(rf"(?P<day>\d{{1,2}})(?:{'|'.join(words.ORDINAL_ENDS)})?")


@dataclass(frozen=True, slots=True)
class Token:
    """A word."""

    #: In lower case, as the tables have it; and as it was typed.
    word: str
    typed: str
    #: Where it ends in the text.
    end: int


#: Stands behind the last word.
END: Final = Token("", "", 0)


@dataclass(frozen=True, slots=True)
class ClockTime:
    """A time of the day."""

    hour: int
    minute: int


class Words:
    """Reads words from the left. A method that returns None may have read some: see :meth:`attempt`."""

    def __init__(self, text: str) -> None:
        self._tokens = [
            Token(_folded(match[0]), match[0], match.end())
            for match, _ in zip(_TOKEN.finditer(text[: 2 * LONGEST]), range(LONGEST), strict=False)
        ]
        #: Number of words that are read.
        self.at = 0

    @property
    def end(self) -> int:
        """Number of characters that are read."""
        return self._tokens[self.at - 1].end if self.at else 0

    def peek(self, ahead: int = 0) -> Token:
        """Return the next word, or one behind it, without reading it."""
        place = self.at + ahead
        return self._tokens[place] if place < len(self._tokens) else END

    def take(self, *wanted: Collection[str]) -> str | None:
        """Read a word of one of *wanted*."""
        word = self.peek().word
        if word and any(word in each for each in wanted):
            self.at += 1
            return word
        return None

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read a word that *pattern* matches."""
        found = pattern.fullmatch(self.peek().word)
        if found is not None:
            self.at += 1
        return found

    def attempt(self, read: Callable[[], T | None]) -> T | None:
        """Return what *read* reads; if that is None, nothing is read."""
        place = self.at
        found = read()
        if found is None:
            self.at = place
        return found

    def error(self, problem: TimeProblem, *, back: int = 0) -> TimeExpressionError:
        """Return an error about the next token, or about an earlier one."""
        place = min(max(self.at - back, 0), len(self._tokens) - 1)
        return TimeExpressionError(problem, self._tokens[place].typed)

    def listed(self, read: Callable[[], T | None], most: int = 31) -> list[T]:
        """Read things with ``and`` or commas between them; none: nothing is read."""
        first = self.attempt(read)
        if first is None:
            return []
        found = [first]

        def further() -> T | None:
            while self.take(words.AND):
                pass
            return read() if self._tokens[self.at - 1].word in words.AND else None

        while len(found) < most and (following := self.attempt(further)) is not None:
            found.append(following)
        return found

    def clock(self) -> ClockTime | None:
        """Read a time of the day. A number alone is an hour behind ``at`` only, or before ``am``."""
        is_told = self.take(words.AT) is not None
        if (word := self.take(words.CLOCK_WORDS)) is not None:
            return ClockTime(words.CLOCK_WORDS[word], 0)
        match = self.match(_CLOCK) or (self.match(_DOTTED_CLOCK) if is_told else None)
        if match is not None:
            return self._checked(int(match["hour"]), int(match["minute"]), match.groupdict().get("half"))
        match = self.match(_HOUR)
        if match is None:
            return None
        half = match["half"]
        is_hour = self.take(words.OCLOCK) is not None
        if not (half or is_told or (is_hour and self.peek().word in words.HALVES) or self.peek().word in words.HALVES):
            return None
        return self._checked(int(match["hour"]), 0, half)

    def _checked(self, hour: int, minute: int, half: str | None) -> ClockTime:
        spoken = half or self.take(words.HALVES)
        if spoken is not None:
            if not 1 <= hour <= 12:  # noqa: PLR2004
                raise self.error(TimeProblem.BAD_TIME, back=1 if half else 2)
            hour = hour % 12 + (12 if words.HALVES[spoken] else 0)
        if hour > 23 or minute > 59:  # noqa: PLR2004
            raise self.error(TimeProblem.BAD_TIME, back=1)
        return ClockTime(hour, minute)

    def amount(self) -> int | None:
        """Read a number, which may be missing, and a unit; return the seconds, None if there is no unit."""
        match = self.match(COUNT)
        if match is None:
            number = _ONE_AND_A_HALF if self.take(words.ONE_AND_A_HALF) else 1.0
            self.take(words.ONE)
            unit = self.take(UNITS)
        else:
            number, unit = float(match["number"] + self._decimals()), match["unit"] or self.take(UNITS)
        return None if unit not in UNITS else round(number * UNITS[unit])

    def _decimals(self) -> str:
        """Read the decimals behind a comma, which is a word, before a unit."""
        comma, decimals, unit = (self.peek(ahead) for ahead in range(3))
        if comma.word != "," or _DECIMALS.fullmatch(decimals.word) is None or unit.word not in UNITS:
            return ""
        self.at += 2
        return f".{decimals.word}"

    @property
    def last(self) -> str:
        """The word that was read last, as it was typed."""
        return self._tokens[self.at - 1].typed


def _folded(word: str) -> str:
    """Return *word* as the tables have it."""
    folded = word.lower().replace(*words.SAME_LETTER)
    return folded.rstrip(".") if not folded[:1].isdecimal() or folded[-2:-1].isalpha() else folded
