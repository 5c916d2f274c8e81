"""Waiting times that double up to a cap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.backoff import Backoff

TIMES = st.floats(0.001, 3600)


@pytest.mark.parametrize(
    ("failures", "delay"),
    [(-1, 0.0), (0, 0.0), (1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (8, 30.0), (10**9, 30.0)],
)
def test_delay(failures: int, delay: float) -> None:
    assert Backoff(first=0.5, cap=30).delay(failures) == delay


@given(first=TIMES, cap=TIMES, failures=st.integers(1, 10_000))
def test_it_grows_and_never_passes_the_cap(first: float, cap: float, failures: int) -> None:
    backoff = Backoff(first, cap)
    assert 0 < backoff.delay(failures) <= backoff.delay(failures + 1) <= cap
    assert backoff.delay(1) == min(first, cap)
    assert backoff.delay(failures + 1) <= 2 * backoff.delay(failures)
