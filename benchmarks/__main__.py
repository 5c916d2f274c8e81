"""``python -m benchmarks [WHAT …]``: measure, and say what came out; all of it is written down too."""

from __future__ import annotations

import argparse
import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge import log
from benchmarks.deltas import deltas
from benchmarks.durability import durability
from benchmarks.first_words import first_words
from benchmarks.ground import Ground
from benchmarks.machine import Others, kv
from benchmarks.markdown import markdown
from benchmarks.page import Entry, entry, line, page
from benchmarks.poll import idle_poll
from benchmarks.provision import provision
from benchmarks.rename import rename
from benchmarks.restart import restart, takeover
from benchmarks.rooms import ROOMS, thousand_rooms
from benchmarks.speedup import speedup
from benchmarks.streaming import streaming
from benchmarks.talk import latency, throughput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from benchmarks.figure import Figure

    Measure = Callable[[Ground], Awaitable[list[Figure]]]

_TOP = Path(__file__).resolve().parent.parent
_RESULTS, _PAGE = _TOP / "benchmarks" / "results.json", _TOP / "docs" / "benchmarks.md"
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
    "streaming": streaming,
    "first_words": first_words,
    "deltas": deltas,
    "markdown": markdown,
}


async def _measure(measures: Mapping[str, Measure]) -> dict[str, Entry]:
    figures: dict[str, Entry] = {}
    async with Ground() as ground:
        others = Others([ground.processes["PostgreSQL"]])
        for name, measure in measures.items():
            print(f"measuring {name} …", flush=True)
            with others.watched():
                measured = await measure(ground)
            for figure in measured:
                figures[figure.name] = entry(figure, others.percent)
                print(line(figure.name, figures[figure.name]), flush=True)
    return figures


def main() -> None:
    """Measure what the command line names, or everything, and write it down beside what was measured before."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what",
        nargs="*",
        choices=[*_MEASURES, []],
        help="measure this only, and keep the other figures",
        metavar=f"{{{','.join(_MEASURES)}}}",
    )
    parser.add_argument("--rooms", type=int, default=ROOMS, help="how many rooms `rooms` has (default: %(default)s)")
    parser.add_argument("--dry", action="store_true", help="write nothing down")
    arguments = parser.parse_args()
    log.configure("warning", "console")
    measures: dict[str, Measure] = {**_MEASURES, "rooms": partial(thousand_rooms, rooms=arguments.rooms)}
    figures = asyncio.run(_measure({name: measures[name] for name in arguments.what or measures}))
    if not arguments.dry:
        _write(figures, anew=not arguments.what)


def _write(figures: dict[str, Entry], *, anew: bool) -> None:
    before: dict[str, Entry] = {} if anew else json.loads(_RESULTS.read_text("utf-8"))["figures"]
    together, machine = before | figures, kv()
    document = {"figures": together, "machine": machine}
    _RESULTS.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _PAGE.write_text(page(together, machine), encoding="utf-8")


if __name__ == "__main__":
    main()
