"""Times in the words of people, and the moments that they mean where clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.collaboration.recurrence import (
    MOST_MISSED,
    checked,
    decoded,
    encoded,
    missed_until,
    next_due,
    shortest_distance,
)
from agent_bridge.core.times.expressions import parse_moment, parse_time, parse_whole_time
from agent_bridge.core.times.kinds import Cron, Interval, Moment, TimeExpressionError, TimeProblem
from agent_bridge.core.times.local import moment_of
from agent_bridge.core.times.zones import is_zone

BERLIN = ZoneInfo("Europe/Berlin")
#: A Saturday, 13:00 in Berlin.
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
REPETITIONS = {
    "every weekday 9:00": "0 9 * * 1-5",
    "Every Day at 9": "0 9 * * *",
    "every day 9:00 and 17:30": "0 9 * * *|30 17 * * *",
    "every day at 9:00, 12:00 and 17:00": "0 9,12,17 * * *",
    "every monday and friday 9:00": "0 9 * * 1,5",
    "every mon, wed, fri at 9am": "0 9 * * 1,3,5",
    "every weekend at noon": "0 12 * * 0,6",
    "on mondays at 12 am": "0 0 * * 1",
    "weekdays 9:00": "0 9 * * 1-5",
    "daily at 18:05": "5 18 * * *",
    "every 1 day 9:00": "0 9 * * *",
    "every week on monday at 9:00": "0 9 * * 1",
    "every 1st of the month at 9:00": "0 9 1 * *",
    "every month on the 1st and 15th 9:00": "0 9 1,15 * *",
    "on the 1st of every month at 9:00": "0 9 1 * *",
    "cron 0 9 * * 1-5": "0 9 * * 1-5",
    "CRON */5 9 * * MON-FRI": "*/5 9 * * mon-fri",
    "0,30 9 1 1 *": "0,30 9 1 1 *",
    "каждый день в 9:00": "0 9 * * *",
    "ежедневно в 9.30": "30 9 * * *",
    "по будням в 9 утра": "0 9 * * 1-5",
    "каждый будний день в 9:00": "0 9 * * 1-5",
    "по рабочим дням в 9:00": "0 9 * * 1-5",
    "по будним дням в полдень": "0 12 * * 1-5",
    "в будни в 9:00": "0 9 * * 1-5",
    "в рабочие дни в 9:00": "0 9 * * 1-5",
    "по выходным дням в 10:00": "0 10 * * 0,6",
    "каждый понедельник и пятницу в 9:00": "0 9 * * 1,5",
    "по понедельникам и средам в 7 вечера": "0 19 * * 1,3",
    "каждого 1 числа в 9:00": "0 9 1 * *",
    "1-го числа каждого месяца в 9:00": "0 9 1 * *",
    "каждый месяц 1 числа в 9:00": "0 9 1 * *",
}
INTERVALS = {
    "every hour": 3600,
    "hourly": 3600,
    "every 30 minutes": 1800,
    "every 2h": 7200,
    "every 1.5 hours": 5400,
    "every 1,5 hours": 5400,
    "каждый час": 3600,
    "каждые 30 минут": 1800,
    "every 2 days": 172_800,
}
#: In Berlin.
MOMENTS = {
    "in 20 minutes": "2026-11-28 13:20",
    "in 1 hour 30 minutes": "2026-11-28 14:30",
    "in 1 hour and 30 minutes": "2026-11-28 14:30",
    "in an hour": "2026-11-28 14:00",
    "in half an hour": "2026-11-28 13:30",
    "20 min": "2026-11-28 13:20",
    "in 1.5 hours": "2026-11-28 14:30",
    "in 40 minutes.": "2026-11-28 13:40",
    "через 1,5 часа": "2026-11-28 14:30",
    "через полтора часа": "2026-11-28 14:30",
    "tomorrow 9:00": "2026-11-29 09:00",
    "tomorrow at 9 pm": "2026-11-29 21:00",
    "at 18:00 tomorrow": "2026-11-29 18:00",
    "day after tomorrow at 9:00": "2026-11-30 09:00",
    "today 18:00": "2026-11-28 18:00",
    "18:00": "2026-11-28 18:00",
    "9:00": "2026-11-29 09:00",
    "friday 9:00": "2026-12-04 09:00",
    "saturday 9:00": "2026-12-05 09:00",
    "on saturday 14:00": "2026-11-28 14:00",
    "on 2026-12-01 12:00": "2026-12-01 12:00",
    "2026-12-01T12:00Z": "2026-12-01 13:00",
    "01.12.2026 12:00": "2026-12-01 12:00",
    "1 december 12:00": "2026-12-01 12:00",
    "December 1, 2027 at 12:00": "2027-12-01 12:00",
    "1 january 0:00": "2027-01-01 00:00",
    "29 february 9:00": "2028-02-29 09:00",
    "через 20 минут": "2026-11-28 13:20",
    "через час": "2026-11-28 14:00",
    "через полчаса": "2026-11-28 13:30",
    "завтра в 9:00": "2026-11-29 09:00",
    "сегодня в 6 вечера": "2026-11-28 18:00",
    "послезавтра в 9": "2026-11-30 09:00",
    "в пятницу в 9:00": "2026-12-04 09:00",
    "1 декабря в 12:00": "2026-12-01 12:00",
    "1 декабря 2027 года в 12:00": "2027-12-01 12:00",
}
ERRORS = {
    "": (TimeProblem.EMPTY, ""),
    "foo": (TimeProblem.UNKNOWN_WORD, "foo"),
    "every foo 9:00": (TimeProblem.UNKNOWN_WORD, "foo"),
    "every": (TimeProblem.UNKNOWN_WORD, "every"),
    "in 20 Bananas": (TimeProblem.UNKNOWN_WORD, "Bananas"),
    "in 99999999 minutes": (TimeProblem.UNKNOWN_WORD, "99999999"),
    "tomorrow 9:00 sharp": (TimeProblem.UNKNOWN_WORD, "sharp"),
    "every 2 days at 9:00": (TimeProblem.UNKNOWN_WORD, "9:00"),
    "every other day 9:00": (TimeProblem.UNKNOWN_WORD, "other"),
    "каждый бананы": (TimeProblem.UNKNOWN_WORD, "бананы"),
    "every day": (TimeProblem.NO_TIME, "day"),
    "every day and night 9:00": (TimeProblem.NO_TIME, "day"),
    "every week": (TimeProblem.NO_TIME, "week"),
    "tomorrow": (TimeProblem.NO_TIME, "tomorrow"),
    "завтра": (TimeProblem.NO_TIME, "завтра"),
    "every day 25:00": (TimeProblem.BAD_TIME, "25:00"),
    "tomorrow 9:60": (TimeProblem.BAD_TIME, "9:60"),
    "at 13pm": (TimeProblem.BAD_TIME, "13pm"),
    "2026-02-30 12:00": (TimeProblem.BAD_DATE, "2026-02-30"),
    "30 february 9:00": (TimeProblem.BAD_DATE, "february"),
    "32.12. 9:00": (TimeProblem.BAD_DATE, "32.12."),
    "today 9:00": (TimeProblem.PAST, "today 9:00"),
    "2020-01-01 12:00": (TimeProblem.PAST, "2020-01-01 12:00"),
    "2040-01-01 12:00": (TimeProblem.TOO_FAR, "2040-01-01 12:00"),
    "in 0 minutes": (TimeProblem.TOO_FAR, "minutes"),
    "every 0 minutes": (TimeProblem.TOO_FAR, "minutes"),
    "in 999999 days": (TimeProblem.TOO_FAR, "days"),
    "cron 0 9 * *": (TimeProblem.BAD_CRON, "*"),
    "61 * * * *": (TimeProblem.BAD_CRON, "61"),
    "cron R R * * *": (TimeProblem.BAD_CRON, "r"),
    "* * * * * *": (TimeProblem.UNKNOWN_WORD, "*"),
    "0 0 31 2 *": (TimeProblem.TOO_FAR, "0 0 31 2 *"),
}


def wall(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def due_times(expression: str, zone: ZoneInfo, since: str, count: int) -> list[str]:
    """Return the next due times as clocks show them."""
    at: datetime | None = wall(since, zone)
    found: list[str] = []
    while len(found) < count:
        assert at is not None
        at = next_due(decoded(f"cron {expression}"), zone, at)
        assert at is not None
        found.append(f"{at.astimezone(zone):%d %H:%M %z}")
    return found


def test_repetitions() -> None:
    found = {text: parse_whole_time(text, NOW, BERLIN) for text in REPETITIONS}
    assert found == {text: Cron(tuple(cron.split("|"))) for text, cron in REPETITIONS.items()}
    assert all(checked(each, BERLIN, NOW) == each for each in found.values())
    intervals = {text: parse_whole_time(text, NOW, BERLIN) for text in INTERVALS}
    assert intervals == {text: Interval(seconds) for text, seconds in INTERVALS.items()}


def test_moments() -> None:
    found = {text: f"{parse_moment(text, NOW, BERLIN).astimezone(BERLIN):%Y-%m-%d %H:%M}" for text in MOMENTS}
    assert found == MOMENTS


def test_errors_name_the_word() -> None:
    found = {}
    for text in ERRORS:
        with pytest.raises(TimeExpressionError) as error:
            checked(parse_whole_time(text, NOW, BERLIN), BERLIN, NOW)
        found[text] = (error.value.problem, error.value.word)
    assert found == ERRORS
    with pytest.raises(TimeExpressionError) as error:
        parse_moment("every day 9:00", NOW, BERLIN)
    assert error.value.problem is TimeProblem.REPEATS


def test_words_behind_a_time_are_kept() -> None:
    for text, rest in {
        "in 20 minutes Ada, and 3 eggs\nplease": "Ada, and 3 eggs\nplease",
        "every day 9:00 and tell me": "and tell me",
        "cron 0 9 * * 1-5 5 things": "5 things",
        "tomorrow 9:00 @Ada  go": "@Ada  go",
        "in 2 hours and 5 apples": "and 5 apples",
        "20:00 get milk": "get milk",
        "in 2 hours, 5 apples": ", 5 apples",
    }.items():
        assert parse_time(text, NOW, BERLIN).rest == rest


def test_clocks_that_are_changed() -> None:
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    new_york, kolkata = ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")
    # The time that is left out is due at the end of the gap, the one that is shown twice at the first time.
    table = [
        (("30 2 * * *", BERLIN, "2026-03-28 12:00"), ["29 03:00 +0200", "30 02:30 +0200"]),
        (("30 2 * * *", BERLIN, "2026-10-24 12:00"), ["25 02:30 +0200", "26 02:30 +0100"]),
        (("30 2 * * *", new_york, "2026-03-07 12:00"), ["08 03:00 -0400", "09 02:30 -0400"]),
        (("30 1 * * *", new_york, "2026-10-31 12:00"), ["01 01:30 -0400", "02 01:30 -0500"]),
        (("15 2 * * *", lord_howe, "2026-10-03 12:00"), ["04 02:30 +1100", "05 02:15 +1100"]),
        (("45 1 * * *", lord_howe, "2026-04-04 12:00"), ["05 01:45 +1100", "06 01:45 +1030"]),
        (("0 9 * * *", kolkata, "2026-03-29 12:00"), ["30 09:00 +0530", "31 09:00 +0530"]),
        # Every hour follows the clocks.
        (("0 * * * *", BERLIN, "2026-03-29 01:00"), ["29 03:00 +0200", "29 04:00 +0200"]),
        (("0 * * * *", BERLIN, "2026-10-25 01:00"), ["25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100"]),
        (("0 * * * *", lord_howe, "2026-10-04 01:00"), ["04 03:00 +1100", "04 04:00 +1100"]),
        (("*/20 2 * * *", BERLIN, "2026-03-28 12:00"), ["29 03:00 +0200", "30 02:00 +0200"]),
        # A whole day was left out.
        (("0 9 * * *", ZoneInfo("Pacific/Apia"), "2011-12-29 12:00"), ["31 00:00 +1400", "31 09:00 +1400"]),
        (("0 0 29 2 *", BERLIN, "2026-03-01 00:00"), ["29 00:00 +0100", "29 00:00 +0100"]),
        (("0 0 l * *", BERLIN, "2026-01-31 12:00"), ["28 00:00 +0100", "31 00:00 +0200"]),
    ]
    assert [due_times(*given, len(wanted)) for given, wanted in table] == [wanted for _, wanted in table]
    assert moment_of(datetime(2026, 3, 29, 2, 30), BERLIN) == datetime(2026, 3, 29, 1, tzinfo=UTC)  # noqa: DTZ001


def test_missed_times_are_counted_and_left_behind() -> None:
    every_day, half = parse_whole_time("every day 9:00", NOW, BERLIN), Interval(1800)
    due, now = wall("2026-11-20 09:00"), wall("2026-11-28 13:00")
    assert missed_until(every_day, BERLIN, due, now) == 9
    assert next_due(every_day, BERLIN, now, due) == wall("2026-11-29 09:00")
    assert missed_until(half, BERLIN, due, now) == MOST_MISSED
    assert next_due(half, BERLIN, now, due) == wall("2026-11-28 13:30")
    # A clock that was set back.
    assert next_due(half, BERLIN, due - timedelta(days=1), due) == due + timedelta(minutes=30)
    assert next_due(Moment(due), BERLIN, now, due) is None


def test_the_shortest_distance() -> None:
    for text, seconds in {
        "every day 9:00 and 9:02": 120,
        "* * * * *": 60,
        "0 0 29 2 *": 126_230_400,
        "every 5 minutes": 300,
        "tomorrow 9:00": None,
    }.items():
        assert shortest_distance(parse_whole_time(text, NOW, BERLIN), BERLIN, NOW) == seconds


def test_zones() -> None:
    assert [is_zone(name) for name in ("UTC", "Asia/Kolkata", "", "Nowhere", "../etc/passwd", "a\0", "x" * 5000)] == [
        *[True] * 2,
        *[False] * 5,
    ]


_DAYS = {
    "en": (["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"], "every {} at {}", " and "),
    "ru": (
        ["воскресенье", "понедельник", "вторник", "среду", "четверг", "пятницу", "субботу"],
        "каждый {} в {}",
        " и ",
    ),
}


@given(st.sampled_from(sorted(_DAYS)), st.sets(st.integers(0, 6), min_size=1), st.times())
def test_weekdays_that_are_told_are_understood(language: str, days: set[int], time: object) -> None:
    names, form, joint = _DAYS[language]
    text = form.format(joint.join(names[day] for day in sorted(days)), f"{time:%H:%M}")
    when = parse_whole_time(text, NOW, BERLIN)
    assert decoded(encoded(when)) == when
    at = next_due(when, BERLIN, NOW)
    assert at is not None
    local = at.astimezone(BERLIN)
    assert local.isoweekday() % 7 in days
    assert f"{local:%H:%M}" == f"{time:%H:%M}"
    assert timedelta() < at - NOW <= timedelta(days=7)


@given(st.datetimes(min_value=datetime(2026, 11, 29), max_value=datetime(2031, 1, 1)))  # noqa: DTZ001
def test_moments_that_are_told_are_understood(at: datetime) -> None:
    meant = moment_of(at.replace(second=0, microsecond=0), BERLIN)
    for form in ("%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%d %B %Y %H:%M", "%H:%M %Y-%m-%d", "%Y-%m-%dT%H:%M"):
        assert parse_moment(at.strftime(form), NOW, BERLIN) == meant


@given(st.text(max_size=60) | st.lists(st.sampled_from([*" ,:.-*", *ERRORS, *MOMENTS]), max_size=6).map(" ".join))
def test_any_text_means_a_time_or_an_error(text: str) -> None:
    for parse in (parse_time, parse_whole_time, parse_moment):
        try:
            parse(text, NOW, BERLIN)
        except TimeExpressionError as error:
            assert error.word == "" or error.word.casefold() in text.casefold()  # noqa: PT017
