"""``python -m benchmarks [WHAT …]``: measure, and say what came out; all of it is written down too."""

from __future__ import annotations

import argparse
import asyncio
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge import log
from benchmarks.durability import durability
from benchmarks.ground import Ground
from benchmarks.machine import Others, facts
from benchmarks.page import Report, line, page, results
from benchmarks.poll import idle_poll
from benchmarks.provision import provision
from benchmarks.rename import rename
from benchmarks.restart import restart, takeover
from benchmarks.rooms import ROOMS, thousand_rooms
from benchmarks.speedup import speedup
from benchmarks.talk import latency, throughput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from benchmarks.figure import Figure

    Measure = Callable[[Ground], Awaitable[list[Figure]]]

_TOP = Path(__file__).resolve().parent.parent
_MEASURES: Mapping[str, Measure] = {
    "latency": latency,
    "throughput": throughput,
    "rename": rename,
    "poll": idle_poll,
    "provision": provision,
    "durability": durability,
    "restart": restart,
    "takeover": takeover,
    "speedup": speedup,
    "rooms": thousand_rooms,
}


async def _measure(measures: Mapping[str, Measure]) -> Report:
    figures: list[tuple[Figure, float]] = []
    started = time.monotonic()
    async with Ground() as ground:
        others = Others([ground.processes["PostgreSQL"]])
        for name, measure in measures.items():
            print(f"measuring {name} …", flush=True)
            with others.watched():
                measured = await measure(ground)
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
    parser.add_argument("--rooms", type=int, default=ROOMS, help="how many rooms `rooms` has (default: %(default)s)")
    arguments = parser.parse_args()
    log.configure("warning", "console")
    measures: dict[str, Measure] = {**_MEASURES, "rooms": partial(thousand_rooms, rooms=arguments.rooms)}
    report = asyncio.run(_measure({name: measures[name] for name in arguments.what or measures}))
    if arguments.what:
        return
    (_TOP / "benchmarks" / "results.json").write_text(results(report), encoding="utf-8")
    (_TOP / "docs" / "benchmarks.md").write_text(page(report), encoding="utf-8")
    print(f"docs/benchmarks.md and benchmarks/results.json written after {report.seconds:.0f} s")


if __name__ == "__main__":
    main()
