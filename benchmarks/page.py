"""The report: results.json for machines, and docs/benchmarks.md for people, which is generated from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.figure import Figure

#: A figure in results.json.
Entry = dict[str, Any]

_HEAD = """\
# Benchmarks

`make bench` generates this page. Everything runs on one machine: Synapse, PostgreSQL, the agents' server, the client
of a person, and each service under test in a separate process. A figure and its baseline come from the same run
against the same Synapse. The baseline *echo* is a stock mautrix application service that repeats each message. It
stores nothing, so a kill loses its unsent answers.

| figure | aim | measured | single repetitions | other processes |
|---|---|---|---|---|
"""
_TAIL = """\
*Other processes* is the share of the machine's CPU that processes outside the measurement used at the same time,
including the share of the hypervisor. `make bench ARGS="restart takeover"` measures only these two figures and keeps
the results of the others.

## The machine

"""


def entry(figure: Figure, others: float) -> Entry:
    """Return *figure* for results.json; *others* is the CPU share of other processes in percent."""
    missed = figure.aim.missed_by(figure.value) if figure.aim else None
    return {
        "value": round(figure.value, 4),
        "aim": str(figure.aim) if figure.aim else None,
        "missed_by_percent": None if missed is None else round(missed, 1),
        "repetitions": [round(value, 4) for value in figure.repetitions],
        "parts": {name: round(value, 4) for name, value in figure.parts.items()},
        "other_processes_percent": round(others, 1),
        "how": figure.how,
    }


def line(name: str, figure: Entry) -> str:
    """Return the figure in one line, and each of its parts in one line."""
    aim = f" (aim {figure['aim']}{_missed(figure)})" if figure["aim"] else ""
    head = f"{name}: {number(figure['value'])}{aim}, {_spread(figure)}, "
    head += f"other processes {figure['other_processes_percent']:.0f} %"
    return "\n".join([head, *(f"    {part}: {number(value)}" for part, value in figure["parts"].items())])


def page(figures: Mapping[str, Entry], machine: Mapping[str, str]) -> str:
    """Return docs/benchmarks.md."""
    return "".join(_sections(figures, machine))


def _sections(figures: Mapping[str, Entry], machine: Mapping[str, str]) -> Iterator[str]:
    yield _HEAD
    for name, figure in figures.items():
        measured = f"{number(figure['value'])}{_missed(figure)}"
        others = f"{figure['other_processes_percent']:.0f} %"
        yield f"| `{name}` | {figure['aim'] or '-'} | {measured} | {_spread(figure)} | {others} |\n"
    yield "\n"
    yield _TAIL
    yield from (f"* {name}: {value}\n" for name, value in machine.items())
    for name, figure in figures.items():
        yield f"\n## {name}\n\n{figure['how']}\n"
        if figure["parts"]:
            yield "\n| part | measured |\n|---|---|\n"
            yield from (f"| {part} | {number(value)} |\n" for part, value in figure["parts"].items())


def _missed(figure: Entry) -> str:
    missed = figure["missed_by_percent"]
    return "" if missed is None else f", missed by {missed:.0f} %"


def _spread(figure: Entry) -> str:
    repetitions = figure["repetitions"]
    if not repetitions:
        return "-"
    return f"{number(min(repetitions))} … {number(max(repetitions))} (n={len(repetitions)})"


def number(value: float) -> str:
    """Return *value* with three digits."""
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004
