"""The report: for people (docs/benchmarks.md) and for machines (results.json)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.figure import Figure

_HEAD = """\
# Benchmarks

Made by `make bench` in {minutes:.1f} minutes, on one machine that ran everything: Synapse, PostgreSQL, the agents'
server, the person's client, and each service under test in a process of its own. All figures are of one run against
the same Synapse. The baseline, *echo*, is a stock mautrix application service that answers with what it hears; it
keeps nothing, and loses what it was about to say when it is killed.

| figure | aim | measured | repetitions alone | other processes |
|---|---|---|---|---|
"""
_TAIL = """\
*Other processes* is the share of the machine's CPU that was used meanwhile by processes without a part in the
measurement (what the hypervisor took away counts as such).

## The machine

"""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run brought."""

    #: Each figure, and how many percent of the machine other processes used meanwhile.
    figures: Sequence[tuple[Figure, float]]
    machine: Mapping[str, str]
    #: How long the run took.
    seconds: float


def line(figure: Figure, others: float) -> str:
    """Return the figure in one line, and its parts in one each."""
    aim = f" (aim {figure.aim}{_missed(figure)})" if figure.aim else ""
    head = f"{figure.name}: {_number(figure.value)}{aim}, {_spread(figure)}, other processes {others:.0f} %"
    return "\n".join([head, *(f"    {name}: {_number(value)}" for name, value in figure.parts.items())])


def page(report: Report) -> str:
    """Return docs/benchmarks.md."""
    return "".join(_sections(report))


def results(report: Report) -> str:
    """Return results.json."""
    figures = {
        figure.name: {
            "value": round(figure.value, 4),
            "aim": str(figure.aim) if figure.aim else None,
            "aim_met": figure.aim.missed_by(figure.value) is None if figure.aim else None,
            "repetitions": [round(value, 4) for value in figure.repetitions],
            "parts": {name: round(value, 4) for name, value in figure.parts.items()},
            "other_processes_percent": round(others, 1),
        }
        for figure, others in report.figures
    }
    document = {"figures": figures, "machine": report.machine, "seconds": round(report.seconds)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _sections(report: Report) -> Iterator[str]:
    yield _HEAD.format(minutes=report.seconds / 60)
    for figure, others in report.figures:
        measured = f"{_number(figure.value)}{_missed(figure)}"
        yield f"| `{figure.name}` | {figure.aim or '-'} | {measured} | {_spread(figure)} | {others:.0f} % |\n"
    yield "\n"
    yield _TAIL
    yield from (f"* {name}: {value}\n" for name, value in report.machine.items())
    for figure, _ in report.figures:
        yield f"\n## {figure.name}\n\n{figure.how}\n"
        if figure.parts:
            yield "\n| part | measured |\n|---|---|\n"
            yield from (f"| {name} | {_number(value)} |\n" for name, value in figure.parts.items())


def _missed(figure: Figure) -> str:
    missed = figure.aim.missed_by(figure.value) if figure.aim else None
    return "" if missed is None else f", missed by {missed:.0f} %"


def _spread(figure: Figure) -> str:
    if not figure.repetitions:
        return "-"
    lowest, highest = min(figure.repetitions), max(figure.repetitions)
    return f"{_number(lowest)} … {_number(highest)} (n={len(figure.repetitions)})"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004
