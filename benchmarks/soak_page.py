"""The report of a soak test: docs/soak.md, and one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.footprint import MEMORY, POOLED, TASKS, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HEAD = """\
# Soak

`make soak MINUTES={minutes:g}` generates this page. It runs a bridge in a separate process with a real Synapse and
PostgreSQL, {rooms} rooms, and an agents' server that streams each answer for {answer:g} s. A person sends {rate:g}
messages per second in total, sometimes two at once in a room, so that one of them waits. *Start* is after a warm-up of
{warm_up:.0f} s, *end* is {minutes:g} minutes later, both {rest:g} s after the last answer. Messages and answers
include the warm-up.

```
{verdict}
```

| | start | end | limit |
|---|---|---|---|
"""
_TAIL = """
Tables without a limit grow with the number of messages: the bridge keeps turns for `retention.turns_days` and
transcripts for `retention.transcript_days`, and deletes older rows every ten minutes. With the defaults no row was old
enough. The tables of the queue (`procrastinate_…`) must not grow, because a job is deleted when it ends.

Resident memory during the test, in MB: {memory}.

## The machine

"""


@dataclass(frozen=True, slots=True)
class Course:
    """The parameters of a soak test."""

    minutes: float
    rooms: int
    #: Messages per second in all rooms together.
    rate: float
    #: Duration of an answer in seconds.
    answer: float
    #: Seconds of messages before the first measurement, and of silence before each measurement.
    warm_up: float
    rest: float


@dataclass(frozen=True, slots=True)
class Soak:
    """The result of a soak test."""

    course: Course
    messages: int
    #: Messages without an answer, and duplicate answers.
    missing: int
    doubled: int
    #: The footprint at both times, and limits for the second one.
    start: Mapping[str, float]
    end: Mapping[str, float]
    ceilings: Mapping[str, float]
    #: Resident memory in MB, at regular intervals during the test.
    memory: Sequence[float]

    @property
    def faults(self) -> list[str]:
        """The faults, one sentence each."""
        grown = [
            f"{name}: {_number(self.end[name])} exceeds the limit of {_number(ceiling)}"
            for name, ceiling in self.ceilings.items()
            if self.end[name] > ceiling
        ]
        lost = [f"{self.missing} of {self.messages} messages were not answered"] if self.missing else []
        return [*lost, *([f"{self.doubled} answers were sent twice"] if self.doubled else []), *grown]

    @property
    def verdict(self) -> str:
        """The result in one line."""
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
    """Return the rows of the table that compares start and end."""
    return [
        f"| {name} | {_number(soak.start.get(name, 0))} | {_number(value)} | {_ceiling(soak, name)} |"
        for name, value in soak.end.items()
    ]


def _ceiling(soak: Soak, name: str) -> str:
    return _number(soak.ceilings[name]) if name in soak.ceilings else "-"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
