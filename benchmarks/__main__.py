"""``python -m benchmarks [WHAT …]``: measure, and say what came out; all of it is written down too."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge import log
from benchmarks.ground import Ground
from benchmarks.machine import Others, facts
from benchmarks.page import Report, line, page, results
from benchmarks.poll import idle_poll
from benchmarks.provision import provision
from benchmarks.rename import rename
from benchmarks.talk import latency, throughput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from benchmarks.figure import Figure

_TOP = Path(__file__).resolve().parent.parent
_MEASURES: Mapping[str, Callable[[Ground], Awaitable[list[Figure]]]] = {
    "latency": latency,
    "throughput": throughput,
    "rename": rename,
    "poll": idle_poll,
    "provision": provision,
}


async def _measure(names: Sequence[str]) -> Report:
    figures: list[tuple[Figure, float]] = []
    started = time.monotonic()
    async with Ground() as ground:
        others = Others([ground.processes["PostgreSQL"]])
        for name in names:
            print(f"measuring {name} …", flush=True)
            with others.watched():
                measured = await _MEASURES[name](ground)
            for figure in measured:
                print(line(figure, others.percent), flush=True)
                figures.append((figure, others.percent))
    return Report(figures, facts(), time.monotonic() - started)


def main() -> None:
    """Measure what the command line names; write the results down when that is everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what",
        nargs="*",
        choices=[*_MEASURES, []],
        help="measure this only, and write nothing down",
        metavar=f"{{{','.join(_MEASURES)}}}",
    )
    what = parser.parse_args().what
    log.configure("warning", "console")
    report = asyncio.run(_measure(what or list(_MEASURES)))
    if what:
        return
    (_TOP / "benchmarks" / "results.json").write_text(results(report), encoding="utf-8")
    (_TOP / "docs" / "benchmarks.md").write_text(page(report), encoding="utf-8")
    print(f"docs/benchmarks.md and benchmarks/results.json written after {report.seconds:.0f} s")


if __name__ == "__main__":
    main()
