"""The last line of the report, and the condition for a clean test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crash.asked import question
from crash.report import Report, percentile
from crash.verdict import Verdict

CLEAN = Report(
    seed=1,
    planned=20,
    faults=("SIGKILL",) * 19 + ("database: silent",),
    orders=3,
    processes=1,
    duration=70.0,
    asked=((question(1, "0.1"), question(1, "0.2")), (question(1, "1.1"),)),
    shown=3,
    restarts=(1.5, None, 2.5),
    takeovers=(),
    own_ends=0,
    waits=(0.5, 1.0),
    repeats=1,
    delivery=(),
    still_open=0,
    verdict=Verdict(),
)


def test_a_clean_run_says_so() -> None:
    assert CLEAN.clean
    lines = str(CLEAN).splitlines()
    assert lines[-1] == "kills=20 lost=0 doubled=0 reordered=0 stuck=0 kept=0"
    assert "start to answer   p50 1.50 s, p95 2.50 s, max 2.50 s (2 of 3 starts)" in lines
    assert "kill to takeover  none" in lines
    assert "fault               19 SIGKILL" in lines


@pytest.mark.parametrize(
    ("changes", "last_line"),
    [
        ({"faults": ("SIGKILL",) * 19}, "kills=19 lost=0 doubled=0 reordered=0 stuck=0 kept=0"),
        ({"still_open": 2}, "kills=20 lost=0 doubled=0 reordered=0 stuck=2 kept=0"),
        ({"verdict": Verdict(lost=("a", "b"))}, "kills=20 lost=2 doubled=0 reordered=0 stuck=0 kept=0"),
        ({"verdict": Verdict(doubled=("a",))}, "kills=20 lost=0 doubled=1 reordered=0 stuck=0 kept=0"),
        ({"verdict": Verdict(reordered=("a",))}, "kills=20 lost=0 doubled=0 reordered=1 stuck=0 kept=0"),
        ({"verdict": Verdict(kept=("a",))}, "kills=20 lost=0 doubled=0 reordered=0 stuck=0 kept=1"),
        ({"verdict": Verdict(stuck=("a",)), "still_open": 1}, "kills=20 lost=0 doubled=0 reordered=0 stuck=2 kept=0"),
    ],
)
def test_anything_else_is_not_clean(changes: dict[str, Any], last_line: str) -> None:
    report = replace(CLEAN, **changes)
    assert not report.clean
    assert report.last_line == last_line


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([3, 1, 2], 0.5, 2), ([1], 0.95, 1), (list(range(1, 21)), 0.95, 19)]
)
def test_percentiles_are_values_that_occurred(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected
