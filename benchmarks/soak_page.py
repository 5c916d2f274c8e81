"""The report of a soak: for people (docs/soak.md), and in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.footprint import MEMORY, POOLED, TASKS, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HEAD = """\
# Soak

Made by `make soak MINUTES={minutes:g}`: a bridge in a process of its own beside a real Synapse and PostgreSQL, {rooms}
rooms, an agents' server that streams each answer over {answer:g} s, and a person who says {rate:g} messages per second
in all, now and then two at once in a room, so that one waits. *Start* is after a warm-up of {warm_up:.0f} s, *end* is
{minutes:g} minutes of talk later, both {rest:g} s after the last answer; messages and answers count from the beginning.

```
{verdict}
```

| | start | end | may be at most |
|---|---|---|---|
"""
_TAIL = """
Tables without a bound grow with what is said: the bridge keeps what became of a message for `retention.turns_days` and
transcripts for `retention.transcript_days` (their defaults here, so that nothing was old enough to be forgotten), and
prunes every ten minutes. Those of the queue (`procrastinate_…`) must not grow: a job is deleted when it ends.

Resident memory while the talk went on, in MB: {memory}.

## The machine

"""


@dataclass(frozen=True, slots=True)
class Course:
    """How a soak is run."""

    minutes: float
    rooms: int
    #: Messages per second, in all rooms together.
    rate: float
    #: Seconds that the upstream takes for an answer.
    answer: float
    #: Seconds of talk before the first look, and of silence before each look.
    warm_up: float
    rest: float


@dataclass(frozen=True, slots=True)
class Soak:
    """What a soak brought."""

    course: Course
    messages: int
    #: Messages that nobody answered, and answers that were given once more.
    missing: int
    doubled: int
    #: The footprint, and how large each part of it may be at the end.
    start: Mapping[str, float]
    end: Mapping[str, float]
    ceilings: Mapping[str, float]
    #: Resident memory in MB, at even intervals while the talk went on.
    memory: Sequence[float]

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, in words."""
        grown = [
            f"{name}: {_number(self.end[name])}, may be at most {_number(ceiling)}"
            for name, ceiling in self.ceilings.items()
            if self.end[name] > ceiling
        ]
        lost = [f"{self.missing} of {self.messages} messages were not answered"] if self.missing else []
        return [*lost, *([f"{self.doubled} answers came twice"] if self.doubled else []), *grown]

    @property
    def verdict(self) -> str:
        """All of it in one line."""
        jobs = rows_of("procrastinate_jobs")
        changes = {"memory_mb": MEMORY, "tasks": TASKS, "connections": POOLED, "jobs": jobs}
        return " ".join(
            [
                f"soak: minutes={self.course.minutes:g}",
                f"messages={self.messages}",
                f"answers={self.messages - self.missing}",
                f"doubled={self.doubled}",
                *(f"{key}={self.start[name]:.0f}→{self.end[name]:.0f}" for key, name in changes.items()),
            ]
        )


def page(soak: Soak, machine: Mapping[str, str]) -> str:
    """Return docs/soak.md."""
    return "".join(_sections(soak, machine))


def _sections(soak: Soak, machine: Mapping[str, str]) -> Iterator[str]:
    course = soak.course
    yield _HEAD.format(
        minutes=course.minutes,
        rooms=course.rooms,
        answer=course.answer,
        rate=course.rate,
        warm_up=course.warm_up,
        rest=course.rest,
        verdict="\n".join([*soak.faults, soak.verdict]),
    )
    yield from (f"{row}\n" for row in table(soak))
    yield _TAIL.format(memory=", ".join(f"{each:.0f}" for each in soak.memory))
    yield from (f"* {name}: {value}\n" for name, value in machine.items())


def table(soak: Soak) -> list[str]:
    """Return the rows that compare start and end."""
    return [
        f"| {name} | {_number(soak.start.get(name, 0))} | {_number(value)} | {_ceiling(soak, name)} |"
        for name, value in soak.end.items()
    ]


def _ceiling(soak: Soak, name: str) -> str:
    return _number(soak.ceilings[name]) if name in soak.ceilings else "-"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
