"""Results of the commands about schedules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.core.times.kinds import TimeProblem


class ScheduleProblem(StrEnum):
    """Why a schedule is not made, changed or found."""

    #: Several agents are in the room, or none, and the caller has named none of them.
    WHICH_AGENT = "which_agent"
    #: The named agent is not in the room, or has no room.
    NOT_THERE = "not_there"
    #: The caller is not in the room of the agent.
    NOT_A_MEMBER = "not_a_member"
    #: There is nothing that the agent could be asked.
    NO_PROMPT = "no_prompt"
    PROMPT_TOO_LONG = "prompt_too_long"
    #: The person, or the room, has as many as there may be.
    TOO_MANY = "too_many"
    TOO_MANY_IN_ROOM = "too_many_in_room"
    TOO_OFTEN = "too_often"
    #: The caller has no such schedule.
    UNKNOWN = "unknown"
    #: Its only time was missed while it was paused.
    OVER = "over"


@dataclass(frozen=True, slots=True)
class ScheduleRefused:
    """Nothing was changed."""

    problem: ScheduleProblem
    #: The words of the caller that the text names.
    name: str = ""
    #: The limit: a number, or seconds.
    most: int = 0


@dataclass(frozen=True, slots=True)
class TimeNotUnderstood:
    """Words of the caller mean no time."""

    problem: TimeProblem
    word: str = ""


@dataclass(frozen=True, slots=True)
class ScheduleMade:
    """A schedule was made."""

    number: int
    agent: str
    #: The time as the caller typed it.
    expression: str
    #: The first run, and the time zone.
    due_at: datetime
    zone: str


@dataclass(frozen=True, slots=True)
class SchedulePaused:
    """A schedule does not run until it is resumed."""

    number: int


@dataclass(frozen=True, slots=True)
class ScheduleResumed:
    """A schedule goes on."""

    number: int
    due_at: datetime
    zone: str


@dataclass(frozen=True, slots=True)
class ScheduleRemoved:
    """A schedule was deleted."""

    number: int
    expression: str


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """A schedule in a list."""

    number: int
    agent: str
    #: Room id of its room.
    room_id: str
    expression: str
    #: Empty: it is not for the reader, who is not the owner.
    prompt: str
    owner: str
    due_at: datetime
    zone: str
    paused: bool
    #: A :class:`~agent_bridge.core.schedules.ScheduleTrouble`; None: the last run happened, or there was none.
    problem: str | None


@dataclass(frozen=True, slots=True)
class ScheduleList:
    """A page of schedules, the oldest first."""

    schedules: tuple[ScheduleEntry, ...]
    page: int = 1
    pages: int = 1
    is_of_all: bool = False


ScheduleResult: TypeAlias = (
    ScheduleMade
    | ScheduleRefused
    | TimeNotUnderstood
    | SchedulePaused
    | ScheduleResumed
    | ScheduleRemoved
    | ScheduleList
)
