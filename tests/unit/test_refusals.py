"""Refused requests in the log."""

from __future__ import annotations

from agent_bridge.core.refusals import Refusals


def test_each_kind_has_a_line_every_ten_minutes() -> None:
    now = 5.0
    refusals = Refusals(lambda: now)
    assert [refusals.is_told("u"), refusals.is_told("u"), refusals.is_told("v"), refusals.is_told()] == [
        True,
        False,
        True,
        True,
    ]
    now += 599.0
    assert not refusals.is_told("u")
    now += 1.0
    assert refusals.is_told("u")
    assert not refusals.is_told("u")
