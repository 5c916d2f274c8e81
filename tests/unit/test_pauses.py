"""Pauses of lanes after failures of the database."""

from __future__ import annotations

from agent_bridge.bridge.queue.pauses import Pauses
from agent_bridge.core.backoff import Backoff


def test_each_failure_in_a_row_makes_the_pause_longer() -> None:
    pauses = Pauses(Backoff(first=10, cap=25))
    assert [pauses.begin(1) for _ in range(4)] == [10, 20, 25, 25]
    assert 24 < pauses.left(1) <= 25
    assert 1 in pauses


def test_a_success_ends_the_pause_and_the_row() -> None:
    pauses = Pauses(Backoff(first=10, cap=25))
    pauses.begin(1)
    pauses.begin(2)
    pauses.end(1)
    pauses.end(3)
    assert (1 in pauses, pauses.left(1), 2 in pauses) == (False, 0, True)
    assert pauses.begin(1) == 10


def test_a_lane_that_has_paused_may_go_on_and_is_remembered() -> None:
    pauses = Pauses(Backoff(first=0, cap=0))
    pauses.begin(1)
    assert pauses.left(1) <= 0
    assert 1 in pauses
