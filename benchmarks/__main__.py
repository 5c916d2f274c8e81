"""``python -m benchmarks [FIGURE …]``: measure, print the results and write the report."""

from __future__ import annotations

import argparse
import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge import log
from benchmarks.admin import admin_page
from benchmarks.claims import claims
from benchmarks.deltas import deltas
from benchmarks.durability import durability
from benchmarks.encrypted import encrypted
from benchmarks.first_words import first_words
from benchmarks.ground import Ground
from benchmarks.groups import groups
from benchmarks.idle import idle_queries
from benchmarks.import_history import import_history
from benchmarks.letta import letta
from benchmarks.machine import OtherProcesses, describe_machine
from benchmarks.many_chats import many_chats
from benchmarks.markdown import markdown
from benchmarks.metrics import metrics_scrape
from benchmarks.new_chat import new_chat
from benchmarks.page import Entry, entry, line, page
from benchmarks.poll import idle_poll
from benchmarks.programs import send_and_wait, subscribers
from benchmarks.provision import provision
from benchmarks.rename import rename
from benchmarks.repair import repair
from benchmarks.restart import restart, takeover
from benchmarks.role_change import role_change
from benchmarks.rooms import ROOMS, thousand_rooms
from benchmarks.scale import scale_1000, scale_10000
from benchmarks.scale_costs import costs
from benchmarks.scale_page import NEEDED, scaling_page
from benchmarks.scale_processes import four_processes
from benchmarks.speedup import speedup
from benchmarks.start import idle_start
from benchmarks.streaming import streaming
from benchmarks.talk import latency, throughput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from benchmarks.figure import Figure

    Measure = Callable[[Ground], Awaitable[list[Figure]]]

_TOP = Path(__file__).resolve().parent.parent
_RESULTS, _PAGE = _TOP / "benchmarks" / "results.json", _TOP / "docs" / "benchmarks.md"
_SCALING = _TOP / "docs" / "scaling.md"
_MEASURES: Mapping[str, Measure] = {
    "latency": latency,
    "throughput": throughput,
    "rename": rename,
    "poll": idle_poll,
    "idle": idle_queries,
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
    "letta": letta,
    "new_chat": new_chat,
    "many_chats": many_chats,
    "groups": groups,
    "role_change": role_change,
    "start": idle_start,
    "repair": repair,
    "import": import_history,
    "claims": claims,
    "subscribers": subscribers,
    "ask": send_and_wait,
    "metrics": metrics_scrape,
    "encrypted": encrypted,
    "admin": admin_page,
    "scale_1000": scale_1000,
    "scale_10000": scale_10000,
    "four_processes": four_processes,
    "costs": costs,
}


async def _measure(measures: Mapping[str, Measure]) -> dict[str, Entry]:
    figures: dict[str, Entry] = {}
    async with Ground() as ground:
        others = OtherProcesses([ground.processes["PostgreSQL"]])
        for name, measure in measures.items():
            print(f"measuring {name} …", flush=True)
            with others.measured():
                measured = await measure(ground)
            for figure in measured:
                figures[figure.name] = entry(figure, others.percent)
                print(line(figure.name, figures[figure.name]), flush=True)
    return figures


def main() -> None:
    """Measure the figures on the command line, or all figures, and write the report with the other earlier results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "figures",
        nargs="*",
        choices=[*_MEASURES, []],
        help="measure only these figures and keep the results of the others",
        metavar=f"{{{','.join(_MEASURES)}}}",
    )
    parser.add_argument("--rooms", type=int, default=ROOMS, help="number of rooms for `rooms` (default: %(default)s)")
    parser.add_argument("--pages", action="store_true", help="write the pages from the results, and measure nothing")
    parser.add_argument("--dry", action="store_true", help="do not write the report")
    arguments = parser.parse_args()
    if arguments.pages:
        _write({}, keep_others=True)
        return
    log.configure("warning", "console")
    measures: dict[str, Measure] = {**_MEASURES, "rooms": partial(thousand_rooms, rooms=arguments.rooms)}
    figures = asyncio.run(_measure({name: measures[name] for name in arguments.figures or measures}))
    if not arguments.dry:
        _write(figures, keep_others=bool(arguments.figures))


def _write(figures: dict[str, Entry], *, keep_others: bool) -> None:
    earlier = json.loads(_RESULTS.read_text("utf-8")) if keep_others else {"figures": {}}
    together: dict[str, Entry] = earlier["figures"] | figures
    # Pages without a new figure are about the machine of the figures.
    machine = describe_machine() if figures else earlier["machine"]
    document = {"figures": together, "machine": machine}
    _RESULTS.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _PAGE.write_text(page(together, machine), encoding="utf-8")
    if together.keys() >= set(NEEDED):
        _SCALING.write_text(scaling_page(together), encoding="utf-8")


if __name__ == "__main__":
    main()
