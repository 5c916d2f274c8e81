"""Schedules: agents are asked at given times, in the names of people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.ids import short_hash

if TYPE_CHECKING:
    from datetime import datetime

#: Schedules of one person, and of one room.
MOST_SCHEDULES, MOST_IN_ROOM = 20, 50
#: Characters of a prompt.
LONGEST_PROMPT = 4_000
#: Seconds between two runs at least: of members, and of people with a higher role.
SHORTEST_OF_MEMBERS, SHORTEST = 300, 60
#: Seconds after its due time from which a run counts as missed, and is told to be late.
LATE = 120
_NAME_DIGITS = 32


class ScheduleTrouble(StrEnum):
    """Why a run does not happen."""

    #: The owner has no role any more.
    NO_ROLE = "no_role"
    MUTED = "muted"
    NOT_IN_ROOM = "not_in_room"
    #: The agent is gone or retired, or not in the room.
    AGENT_AWAY = "agent_away"
    #: The stored time cannot be read, or its zone is not known any more. The schedule is paused.
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule with its room and its agent, as they are now."""

    #: Row id: the number by which people name it.
    id: int
    #: User id.
    owner: str
    #: Row id of the agent, its name, and the localpart of its ghost.
    agent: int
    agent_name: str
    ghost: str
    room_id: str
    #: Whether the agent is in the room, and its upstream lists it.
    is_present: bool
    #: The time as its owner typed it, in one line, and as it is stored (``bridge/collaboration/recurrence.py``).
    expression: str
    rule: str
    #: Name of the time zone.
    zone: str
    prompt: str
    due_at: datetime
    paused: bool
    #: Why the last run did not happen: a :class:`ScheduleTrouble`; None: it did, or there was none.
    problem: str | None
    created_at: datetime
    last_run_at: datetime | None
    #: The time of the database.
    now: datetime


def run_event(schedule: Schedule) -> str:
    """Return the name that the next run of *schedule* has in place of an event id: the same for the same due time."""
    run = short_hash(f"{schedule.id} {schedule.created_at.timestamp()} {schedule.due_at.timestamp()}", _NAME_DIGITS)
    return f"schedule:{run}"
