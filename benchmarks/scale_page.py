"""docs/scaling.md: the text of scale_page.md, with tables from results.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.page import number
from benchmarks.scale_model import Model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.page import Entry

_TEXT = Path(__file__).with_suffix(".md")
#: Figures without which there is no page.
NEEDED = (
    *(f"cost_of_{name}" for name in ("a_message", "an_agent", "a_room", "a_subscribers_event")),
    *("cost_of_a_backfill", "cost_of_a_comparison", "four_process_speedup"),
    *(
        f"scale_{agents}_{name}"
        for agents in (1000, 10000)
        for name in ("ready_s", "rss_mb", "start_s", "idle_queries_per_s", "takeover_s")
    ),
    *(
        "cpu_ms_per_1000_deltas",
        "scale_10000_poll_cpu_ms",
        "scale_10000_etag_poll_cpu_ms",
        "throughput_ratio",
        "idle_database_queries_per_s",
    ),
)
_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_MEASURED = ("ready_s", "rss_mb", "start_s", "idle_queries_per_s", "takeover_s")


def scaling_page(figures: Mapping[str, Entry]) -> str:
    """Return docs/scaling.md."""
    model = Model(figures)
    tables = {
        "costs": _costs(model),
        "measured": _measured(figures),
        "checks": _checks(model),
        "sizes": _sizes(model),
    }
    text = _TEXT.read_text("utf-8")
    for name, rows in tables.items():
        text = text.replace(f"<!-- {name} -->\n", "".join(f"| {' | '.join(row)} |\n" for row in rows))
    return text


def _table(*heads: str) -> Iterator[Sequence[str]]:
    yield heads
    yield ["---"] * len(heads)


def _costs(model: Model) -> Iterator[Sequence[str]]:
    yield from _table("one", "bridge, ms", "PostgreSQL, ms", "Synapse, ms", "statements")
    for name, cost in (
        ("message with its answer", model.message),
        ("new agent", model.agent),
        ("further room (`!ab new`)", model.room),
        ("event of a subscriber", model.event),
        ("backfill of a room", model.backfill),
        ("comparison of a room", model.comparison),
    ):
        yield [name, *(number(max(0.0, each)) for each in (cost.bridge, cost.postgres, cost.synapse, cost.statements))]


def _measured(figures: Mapping[str, Entry]) -> Iterator[Sequence[str]]:
    yield from _table("figure", "1,000 agents on Synapse", "10,000 agents on the fake homeserver", "other processes")
    for name in _MEASURED:
        both = [figures[f"scale_{agents}_{name}"] for agents in (1000, 10000)]
        others = " and ".join(f"{each['other_processes_percent']:.0f} %" for each in both)
        yield [f"`{name}`", *(number(each["value"]) for each in both), others]
    for name in ("poll_cpu_ms", "etag_poll_cpu_ms"):
        each = figures[f"scale_10000_{name}"]
        yield [f"`{name}`", "-", number(each["value"]), f"{each['other_processes_percent']:.0f} %"]


def _checks(model: Model) -> Iterator[Sequence[str]]:
    yield from _table("value", "predicted", "measured", "predicted over measured")
    for check in model.checks():
        yield [check.what, number(check.predicted), number(check.measured), number(check.ratio)]


def _sizes(model: Model) -> Iterator[Sequence[str]]:
    sizes = [model.size(agents) for agents in _SIZES]
    yield from _table("agents", *(f"{size.agents:,}" for size in sizes))
    for name, values in (
        ("messages per second, busiest hour", [size.messages for size in sizes]),
        ("cores of all workers", [size.workers for size in sizes]),
        ("core of the leader, periodic work", [size.leader for size in sizes]),
        ("cores of PostgreSQL", [size.postgres for size in sizes]),
        ("cores of Synapse", [size.synapse for size in sizes]),
        ("processes", [size.processes for size in sizes]),
        ("lanes of each process", [size.lanes for size in sizes]),
        ("database connections", [size.connections for size in sizes]),
        ("memory of the leader, MB", [size.memory for size in sizes]),
        ("list of the upstream, MB", [size.listed for size in sizes]),
        ("first rooms, hours of one core of Synapse", [size.hours for size in sizes]),
    ):
        yield [name, *(number(value) for value in values)]
    yield ["beyond the limit, worst first", *("; ".join(size.bottlenecks) or "-" for size in sizes)]
