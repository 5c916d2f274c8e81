"""The kinds of times that people tell, and the errors about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime


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

    def __str__(self) -> str:
        return f"{self.problem}: {self.word}"


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
