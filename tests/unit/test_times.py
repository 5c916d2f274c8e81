"""Moments as people type them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis.strategies import text

from agent_bridge.core.times import parse_moment

OSLO = ZoneInfo("Europe/Oslo")
#: A Saturday.
NOW = datetime(2026, 11, 28, 17, 30, tzinfo=OSLO)


@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("18:00", "11-28 18:00"),
        ("at 18.05", "11-28 18:05"),
        ("6pm", "11-28 18:00"),
        ("6:15 p.m.", "11-28 18:15"),
        ("12am", "11-29 00:00"),
        ("17:30", "11-29 17:30"),
        ("9:00", "11-29 09:00"),
        ("в 9:00", "11-29 09:00"),
        ("today 9:00", "11-28 09:00"),
        ("today", "11-29 00:00"),
        ("tomorrow", "11-30 00:00"),
        ("Tomorrow at 9:00", "11-29 09:00"),
        ("tomorrow, 9:00", "11-29 09:00"),
        ("завтра 9:00", "11-29 09:00"),
        ("завтра в 9:00", "11-29 09:00"),
        ("послезавтра", "12-01 00:00"),
        ("friday 12:00", "12-04 12:00"),
        ("Fri", "12-05 00:00"),
        ("saturday", "12-06 00:00"),
        ("в пятницу в 12:00", "12-04 12:00"),
        ("во вторник 8:00", "12-01 08:00"),
        ("понедельника", "12-01 00:00"),
        ("2026-12-01 12:00", "12-01 12:00"),
        ("2026-12-01T12:00", "12-01 12:00"),
        ("2026-12-01", "12-02 00:00"),
        ("1.12.2026 12:00", "12-01 12:00"),
        ("in 20 minutes", "11-28 17:50"),
        ("20 min", "11-28 17:50"),
        ("through", None),
        ("через 2 часа", "11-28 19:30"),
        ("in 18:00", None),
        ("it rains", None),
        ("18", None),
        ("24:00", None),
        ("12:60", None),
        ("13pm", None),
        ("0am", None),
        ("2026-02-30 12:00", None),
        ("2026-12-01 12:00 or so", None),
        ("-5 minutes", None),
        ("9999-12-31", None),
        ("", None),
    ],
)
def test_the_moment_that_words_mean(typed: str, moment: str | None) -> None:
    found = parse_moment(typed, NOW)
    assert (None if found is None else f"{found:%m-%d %H:%M}") == moment
    assert found is None or found.tzinfo is OSLO


def test_changes_of_the_clocks() -> None:
    spring = datetime(2027, 3, 27, 12, tzinfo=OSLO)
    autumn = datetime(2026, 10, 24, 12, tzinfo=OSLO)
    for typed, now, moment in (
        ("tomorrow 2:30", spring, datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
        ("in 24 hours", spring, datetime(2027, 3, 28, 11, tzinfo=UTC)),
        ("tomorrow 2:30", autumn, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ):
        found = parse_moment(typed, now)
        assert found is not None
        assert found.astimezone(UTC) == moment


@given(text(alphabet="0123456789:.-tm apintomrw\u0443\u0435\u0437\u0430\u0432\u0442\u0440", max_size=30))
def test_any_words_mean_a_moment_or_none(typed: str) -> None:
    found = parse_moment(typed, NOW)
    assert found is None or found.tzinfo is not None
