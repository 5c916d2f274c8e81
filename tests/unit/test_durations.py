"""Lengths of time as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import text

from agent_bridge.commands.durations import LONGEST, parse_duration


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("30 min", 1800),
        ("30min", 1800),
        ("30 min.", 1800),
        ("2h", 7200),
        ("2 H", 7200),
        ("1h 30m", 5400),
        ("1 day, 12 hours", 129600),
        ("3 days", 259200),
        ("45 s", 45),
        ("1 week", 604800),
        ("30 минут", 1800),
        ("2 ч", 7200),
        ("1 день 12 часов", 129600),
        ("365 days", LONGEST),
        ("366 days", None),
        ("0 min", None),
        ("-5 min", None),
        ("1.5 h", None),
        ("1,5 h", None),
        ("min", None),
        ("30", None),
        ("30 parsecs", None),
        ("a while", None),
        ("9999999 s", None),
        ("", None),
    ],
)
def test_a_length_of_time(typed: str, seconds: float | None) -> None:
    assert parse_duration(typed) == seconds


@given(text())
def test_any_words_are_a_length_or_none(typed: str) -> None:
    found = parse_duration(typed)
    assert found is None or 0 < found <= LONGEST
