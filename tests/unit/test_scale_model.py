"""The capacity model of docs/scaling.md, and the page that it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scale_model import Model
from benchmarks.scale_page import scaling_page

TOP = Path(__file__).resolve().parents[2]
KINDS = ("a_message", "an_agent", "a_room", "a_subscribers_event", "a_backfill", "a_comparison")
LEADER = "a leader after its start, idle, MB"


def figures(*, bridge: float = 1.0, synapse: float = 10.0) -> dict[str, Any]:
    """Return figures in which everything costs the same, and an agent 10 kB."""
    parts = {"CPU of PostgreSQL, ms": 2.0, "CPU of Synapse, ms": synapse, "statements in PostgreSQL": 3.0}
    found: dict[str, Any] = {f"cost_of_{kind}": {"value": bridge, "parts": parts} for kind in KINDS}
    found |= {f"scale_{agents}_rss_mb": {"parts": {LEADER: 100 + agents / 100}} for agents in (1_000, 10_000)}
    four = {"four processes, answers per second": 8.0, "CPU of the first process with four, % of a core": 0.5}
    four |= {f"CPU of worker {number} with four, % of a core": 0.1 for number in (1, 2, 3)}
    four |= {f"CPU of {name} with four, % of a core": 4.0 for name in ("PostgreSQL", "Synapse")}
    found["four_process_speedup"] = {"parts": four}
    found["cpu_ms_per_1000_deltas"] = {"parts": {"CPU of the idle bridge, % of a core": 0.25}}
    found["throughput_ratio"] = {"parts": {"bridge, answers per second": 90.0}}
    found["idle_database_queries_per_s"] = {"value": 1.0}
    for agents in (1_000, 10_000):
        used = {f"CPU of {name} while they were made, s": 1.0 for name in ("bridge", "PostgreSQL", "Synapse")}
        found[f"scale_{agents}_ready_s"] = {"value": 20.0, "parts": used}
        found[f"scale_{agents}_idle_queries_per_s"] = {"value": 57.0, "parts": {"CPU of bridge, % of a core": 2.0}}
    return found


def test_the_memory_of_a_leader_is_a_line() -> None:
    model = Model(figures())
    assert model.base == pytest.approx(100)
    assert model.kilobytes == pytest.approx(10)
    assert model.size(100_000).memory == pytest.approx(1_100)


def test_what_the_model_predicts_stands_beside_the_measurement() -> None:
    checks = {check.what: (round(check.predicted, 3), round(check.measured, 3)) for check in Model(figures()).checks()}
    # 8 messages a second, of 1, 2 and 10 ms each, and four idle processes.
    assert checks["four processes: CPU of all bridges, % of a core"] == (1.8, 0.8)
    assert checks["four processes: CPU of PostgreSQL, % of a core"] == (1.6, 4.0)
    assert checks["four processes: CPU of Synapse, % of a core"] == (8.0, 4.0)
    assert checks["one process, 50 rooms: answers per second"] == (100.0, 90.0)
    assert checks["1000 agents made: seconds"] == (10.0, 20.0)
    # The idle bridge, 10,000 backfills in 600 s, and two comparisons.
    assert checks["10000 agents, idle: statements per second"] == (57.0, 57.0)


def test_processes_are_as_many_as_lanes_and_cpu_need() -> None:
    # One takes over from the other.
    assert Model(figures()).size(1_000).processes == 2
    # 926 messages a second, each of which occupies one of at most 1,000 lanes for 20 s.
    assert Model(figures()).size(1_000_000).processes == 19
    # 93 messages and 169 rooms a second take a second of the bridge each, and a process 0.7 of a core.
    assert Model(figures(bridge=1_000.0)).size(100_000).processes == 374


def test_the_worst_limit_comes_first() -> None:
    assert Model(figures()).size(1_000).bottlenecks == ()
    assert Model(figures(synapse=1_000)).size(100_000).bottlenecks[0] == "CPU of Synapse (more than one process)"


def test_busy_lanes_need_locks_of_postgresql() -> None:
    assert "locks of PostgreSQL" not in Model(figures()).size(100_000).bottlenecks
    # 18,519 lanes, and room for 6,400 locks.
    assert "locks of PostgreSQL" in Model(figures()).size(1_000_000).bottlenecks


def test_the_model_agrees_with_the_measurements() -> None:
    """The runs of a check had other loads. A factor of two is a wrong figure, a wrong unit or a wrong model."""
    results = json.loads((TOP / "benchmarks" / "results.json").read_text("utf-8"))
    wrong = [(check.what, check.ratio) for check in Model(results["figures"]).checks() if not 0.5 <= check.ratio <= 2]
    assert wrong == []


def test_the_page_is_that_of_the_results() -> None:
    """``make bench ARGS=--pages`` writes it after a change of the text or of the model."""
    results = json.loads((TOP / "benchmarks" / "results.json").read_text("utf-8"))
    assert (TOP / "docs" / "scaling.md").read_text("utf-8") == scaling_page(results["figures"])
