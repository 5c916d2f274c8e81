"""The report of a crash test."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crash.asked import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crash.asked import Question
    from crash.verdict import Verdict

_FAULTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Report:
    """A finished crash test. Times are seconds."""

    seed: int
    planned: int
    #: The kind of each fault that happened.
    faults: tuple[str, ...]
    #: Number of the orders of the administrator.
    orders: int
    processes: int
    duration: float
    asked: tuple[tuple[Question, ...], ...]
    #: Number of visible messages of the agents.
    shown: int
    #: From each start to the first answer; None if the next kill came first.
    restarts: tuple[float | None, ...]
    #: From each kill until a process took over the interrupted turns.
    takeovers: tuple[float, ...]
    #: How often a process ended by itself, and the supervisor started it again.
    own_ends: int
    #: From a question's arrival at the bridge to the end of its answer.
    waits: tuple[float, ...]
    repeats: int
    #: Events that the homeserver did not deliver, or not in its order.
    delivery: tuple[str, ...]
    #: Turns that were open at the end of the test.
    still_open: int
    verdict: Verdict
    #: Folder with the evidence of a fault.
    evidence: Path | None = None

    @property
    def clean(self) -> bool:
        """Whether all faults happened and there is no fault."""
        return self.verdict.clean and not self.still_open and len(self.faults) == self.planned

    @property
    def last_line(self) -> str:
        """The number of faults, and the figures that must be 0."""
        verdict = self.verdict
        return (
            f"kills={len(self.faults)} lost={len(verdict.lost)} doubled={len(verdict.doubled)} "
            f"reordered={len(verdict.reordered)} stuck={len(verdict.stuck) + self.still_open} kept={len(verdict.kept)}"
        )

    def __str__(self) -> str:
        return "\n".join((*self._lines(), self.last_line))

    def _lines(self) -> Iterator[str]:
        questions = [question for room in self.asked for question in room]
        kinds = Counter(str(question.fate) for question in questions)
        answered = [seconds for seconds in self.restarts if seconds is not None]
        yield f"seed              {self.seed}"
        yield f"duration          {self.duration:.0f} s, {len(self.asked)} rooms, {self.processes} process(es)"
        yield f"questions         {len(questions)} ({', '.join(f'{n} {kind}' for kind, n in kinds.most_common())})"
        yield f"orders            {self.orders}"
        yield f"messages shown    {self.shown}"
        changes = Counter(str(question.change) for question in questions if question.change is not Change.NONE)
        yield f"changes           {', '.join(f'{n} {kind}' for kind, n in changes.most_common()) or 'none'}"
        in_threads, pictures = (
            sum(kind) for kind in zip(*((bool(q.thread), q.picture) for q in questions), strict=True)
        )
        yield f"in threads        {in_threads}; pictures: {pictures}"
        for name, number in sorted(Counter(self.faults).items()):
            yield f"fault             {number:>4} {name}"
        yield f"ended by itself   {self.own_ends}"
        yield f"start to answer   {_spread(answered)} ({len(answered)} of {len(self.restarts)} starts)"
        yield f"kill to takeover  {_spread(self.takeovers)}"
        yield f"arrival to answer {_spread(self.waits)}"
        yield f"upstream repeats  {self.repeats}"
        for kind in ("lost", "doubled", "reordered", "stuck", "kept"):
            faults: tuple[str, ...] = getattr(self.verdict, kind)
            for fault in faults[:_FAULTS_SHOWN]:
                yield f"{kind:<17} {fault}"
        for each in self.delivery[:_FAULTS_SHOWN]:
            yield f"delivery          {each}"
        if self.still_open:
            yield f"open turns        {self.still_open}"
        if self.evidence:
            yield f"evidence          {self.evidence}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which *share* of *values* lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    return f"p50 {percentile(seconds, 0.5):.2f} s, p95 {percentile(seconds, 0.95):.2f} s, max {max(seconds):.2f} s"
