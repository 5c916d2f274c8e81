"""Quotas: spans of time in any time zone, the rules that concern a request, and the first limit that it exceeds."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.money import Price, PriceList, PriceRule
from agent_bridge.core.quotas import Exceeded, Measure, Per, Period, QuotaBook, Request, Rule, first_exceeded
from agent_bridge.core.usage import Usage
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.usage import exceeded_line, moment, money
from support.records import rule

OSLO = ZoneInfo("Europe/Oslo")
#: Zones whose clocks change in the morning, at midnight, by half an hour, and by a whole day.
ZONES = [ZoneInfo(name) for name in ("Europe/Oslo", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Gaza")]
BOB = "@bob:example.org"


def local(zone: tzinfo, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=zone)  # type: ignore[arg-type,misc]


def hours(start: datetime, end: datetime) -> float:
    return (end - start) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("day", "length"),
    [((2026, 3, 28), 24), ((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 12, 31), 24)],
    ids=["usual", "to summer time", "to winter time", "end of the year"],
)
def test_a_day_has_the_hours_of_its_time_zone(day: tuple[int, int, int], length: int) -> None:
    noon = local(OSLO, *day, 12)
    start, end = Period.DAY.start(noon, OSLO), Period.DAY.end(noon, OSLO)
    assert hours(start, end) == length
    assert (start.utcoffset(), end.utcoffset()) == (timedelta(0), timedelta(0))
    assert f"{start.astimezone(OSLO):%H:%M}" == f"{end.astimezone(OSLO):%H:%M}" == "00:00"


def test_a_day_without_midnight_begins_at_one() -> None:
    cairo = ZoneInfo("Africa/Cairo")
    noon = local(cairo, 2026, 4, 24, 12)
    assert f"{Period.DAY.start(noon, cairo).astimezone(cairo):%d %H:%M}" == "24 01:00"
    assert hours(Period.DAY.start(noon, cairo), Period.DAY.end(noon, cairo)) == 23


@pytest.mark.parametrize(
    ("at", "end"),
    [((2026, 2, 10), (2026, 3, 1)), ((2028, 2, 29), (2028, 3, 1)), ((2026, 12, 31), (2027, 1, 1))],
    ids=["February", "leap day", "December"],
)
def test_a_month_ends_with_its_last_day(at: tuple[int, int, int], end: tuple[int, int, int]) -> None:
    assert Period.MONTH.end(local(OSLO, *at, 23, 59), OSLO) == local(OSLO, *end)
    assert Period.MONTH.start(local(OSLO, *at, 23, 59), OSLO) == local(OSLO, at[0], at[1], 1)


def test_the_days_of_a_time_zone_are_not_those_of_utc() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert Period.DAY.start(late, OSLO) == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert Period.MONTH.start(late, OSLO) == local(OSLO, 2026, 12, 1)
    assert Period.MONTH.start(late, UTC) == datetime(2026, 11, 1, tzinfo=UTC)


@given(
    at=st.integers(946_684_800, 2_051_222_400),
    zone=st.sampled_from(ZONES),
    period=st.sampled_from(Period),
)
def test_every_moment_is_in_one_span(at: int, zone: ZoneInfo, period: Period) -> None:
    now = datetime.fromtimestamp(at, UTC)
    start, end = period.start(now, zone), period.end(now, zone)
    assert start <= now < end
    assert period.start(end, zone) == end
    assert period.end(end - timedelta(microseconds=1), zone) == end


# Rules


def request(**changes: Any) -> Request:
    values: dict[str, Any] = {
        "user": BOB,
        "role": "member",
        "room_id": "!room:example.org",
        "agent": 7,
        "agent_names": ("Ada", "agent-1", "agent_ada"),
        "upstream": "openai-eu",
    }
    return Request(**(values | changes))


@pytest.mark.parametrize(
    ("wanted", "concerns"),
    [
        (rule(), True),
        (rule(match="@bob:*"), True),
        (rule(match="@BOB:example.org"), True),
        (rule(match="@alice:*"), False),
        (rule(role="member"), True),
        (rule(role="admin"), False),
        (rule(Per.ROLE, match="member"), True),
        (rule(Per.ROLE, match="admin"), False),
        (rule(Per.ROOM, match="!room:*"), True),
        (rule(Per.AGENT, match="ada"), True),
        (rule(Per.AGENT, match="agent_*"), True),
        (rule(Per.AGENT, match="bea"), False),
        (rule(Per.UPSTREAM, match="openai*"), True),
        (rule(Per.UPSTREAM, match="letta"), False),
    ],
)
def test_a_rule_concerns_the_subjects_that_match(wanted: Rule, concerns: bool) -> None:  # noqa: FBT001
    assert (QuotaBook((wanted,), UTC).matching(request()) == [wanted]) is concerns


def test_an_agent_that_asks_sends_no_message_of_the_person() -> None:
    rules = [rule(per, measure=Measure.MESSAGES, period=Period.MINUTE) for per in Per]
    found = QuotaBook(rules, UTC).matching(request(is_of_person=False))
    assert [each.per for each in found] == [Per.ROOM, Per.AGENT, Per.UPSTREAM]
    assert QuotaBook((rule(),), UTC).matching(request(is_of_person=False)) == [rule()]


NOON = datetime(2026, 11, 27, 12, 0, 20, tzinfo=UTC)


def exceeded(rules: list[Rule], used: float) -> Exceeded | None:
    return first_exceeded(rules, request(), lambda _: Decimal(str(used)), NOON, OSLO)


@pytest.mark.parametrize(("used", "refused"), [(0, False), (9, False), (10, True), (11, True)])
def test_nothing_begins_when_the_tokens_are_used_up(used: int, refused: bool) -> None:  # noqa: FBT001
    assert (exceeded([rule()], used) is not None) is refused
    assert (exceeded([rule(measure=Measure.MONEY, limit=10)], used) is not None) is refused


@pytest.mark.parametrize(("place", "refused"), [(1, False), (10, False), (11, True)])
def test_as_many_messages_as_allowed_are_let_through(place: int, refused: bool) -> None:  # noqa: FBT001
    messages = rule(measure=Measure.MESSAGES, period=Period.MINUTE)
    assert (exceeded([messages], place) is not None) is refused


@pytest.mark.parametrize("measure", Measure)
def test_a_limit_of_zero_lets_nothing_through_and_names_no_time(measure: Measure) -> None:
    found = exceeded([rule(limit=0, measure=measure)], 1 if measure is Measure.MESSAGES else 0)
    assert found is not None
    assert found.until is None


def test_sums_of_decimal_numbers_are_exact() -> None:
    cost = sum((Decimal("0.1"),) * 3, Decimal(0))
    assert exceeded([rule(measure=Measure.MONEY, limit=0.3)], float(cost)) is not None
    assert cost == Decimal("0.3")


def test_the_first_exceeded_rule_is_told() -> None:
    rules = [rule(limit=100), rule(Per.UPSTREAM, 5), rule(Per.AGENT, 1)]
    found = exceeded(rules, 7)
    assert found is not None
    assert (found.rule, found.subject.key) == (rules[1], "openai-eu")
    assert found.until == local(OSLO, 2026, 11, 28)


def test_the_lowest_quota_of_a_person_is_shown() -> None:
    rules = (rule(limit=30), rule(limit=20, role="admin"), rule(limit=25, match="@bob:*"), rule(Per.ROLE, 1))
    book = QuotaBook(rules, UTC)
    assert book.of_user(BOB, "member", Measure.TOKENS, Period.DAY) == 25
    assert book.of_user(BOB, "admin", Measure.TOKENS, Period.DAY) == 20
    assert book.of_user(BOB, "member", Measure.MONEY, Period.DAY) is None


# Prices


def test_a_cached_token_has_its_own_price() -> None:
    price = Price(Decimal("1.25"), Decimal(10), Decimal("0.125"))
    assert price.of(Usage(1000, 100, 400)) == Decimal("0.0018")
    assert price.of(Usage(1000, 100)) == Decimal("0.00225")
    # A server that reports nonsense.
    assert price.of(Usage(10, 0, 400)) == Decimal("0.00000125")
    assert Price(Decimal(1), Decimal(2)).of(Usage(1000, 100, 400)) == Decimal("0.0012")


def test_the_first_price_that_matches_counts() -> None:
    rules = [
        PriceRule("gpt-5-mini", "*", Price(Decimal(1), Decimal(1))),
        PriceRule("GPT-5*", "eu", Price(Decimal(2), Decimal(2))),
        PriceRule("*", "free", Price(Decimal(0), Decimal(0))),
    ]
    prices = PriceList("USD", rules)
    assert prices.find("eu", "gpt-5-mini") == rules[0].price
    assert prices.find("eu", "gpt-5") == rules[1].price
    assert prices.find("us", "gpt-5") is None
    assert prices.find("free", "gpt-5") == rules[2].price


# Words


NOW = NOON.astimezone(OSLO)
TOMORROW = "Продолжить можно завтра в 00:00 (Europe/Oslo)."
ON_1_DECEMBER = ("Try again on 1 December (Europe/Oslo).", "Продолжить можно 1 декабря (Europe/Oslo).")
SPANS = [
    (Measure.MESSAGES, Period.MINUTE),
    *((measure, period) for measure in (Measure.TOKENS, Measure.MONEY) for period in (Period.DAY, Period.MONTH)),
]


@pytest.mark.parametrize(
    ("at", "en", "ru"),
    [
        (NOON + timedelta(seconds=40), "in 40 seconds", "через 40 секунд"),
        (NOON + timedelta(milliseconds=1), "in 1 second", "через 1 секунду"),
        (NOON + timedelta(hours=1), "at 14:00 (Europe/Oslo)", "в 14:00 (Europe/Oslo)"),
        (local(OSLO, 2026, 11, 28), "tomorrow at 00:00 (Europe/Oslo)", "завтра в 00:00 (Europe/Oslo)"),
        (local(OSLO, 2026, 12, 1), "on 1 December (Europe/Oslo)", "1 декабря (Europe/Oslo)"),
    ],
)
def test_a_moment_in_words(at: datetime, en: str, ru: str) -> None:
    assert (moment(at, NOW, ENGLISH), moment(at, NOW, RUSSIAN)) == (en, ru)


@pytest.mark.parametrize(
    ("wanted", "en", "ru"),
    [
        (
            rule(limit=200_000),
            "You have used your 200,000 tokens for today. Try again tomorrow at 00:00 (Europe/Oslo).",
            f"Вы израсходовали свой лимит на сегодня: 200\N{NO-BREAK SPACE}000 токенов. {TOMORROW}",
        ),
        (
            rule(Per.UPSTREAM, 2.5, measure=Measure.MONEY, period=Period.MONTH),
            f"The budget of the server of **Ada** for this month is used up: 2.50 USD. {ON_1_DECEMBER[0]}",
            f"Лимит сервера агента **Ada** на этот месяц израсходован: 2,50 USD. {ON_1_DECEMBER[1]}",
        ),
        (
            rule(limit=20, measure=Measure.MESSAGES, period=Period.MINUTE),
            "You may send 20 messages a minute. Try again in 40 seconds.",
            "Вам можно отправлять 20 сообщений в минуту. Продолжить можно через 40 секунд.",
        ),
        (
            rule(Per.ROLE, limit=1),
            (
                "The budget of all users with the role *member* for today is used up: 1 token. "
                "Try again tomorrow at 00:00 (Europe/Oslo)."
            ),
            f"Общий лимит пользователей с ролью *member* на сегодня израсходован: 1 токен. {TOMORROW}",
        ),
    ],
)
def test_an_exceeded_quota_in_words(wanted: Rule, en: str, ru: str) -> None:
    found = exceeded([wanted], 10**9)
    assert found is not None
    assert exceeded_line(found, NOW, "USD", "Ada", ENGLISH) == en
    assert exceeded_line(found, NOW, "USD", "Ada", RUSSIAN) == ru


def test_every_rule_has_words() -> None:
    for per, (measure, period), limit in itertools.product(Per, SPANS, (0, 5)):
        found = exceeded([rule(per, limit, measure=measure, period=period)], 10)
        assert found is not None
        for texts in (ENGLISH, RUSSIAN):
            line = exceeded_line(found, NOW, "USD", "*A*", texts)
            assert line.endswith(".")
            assert "{" not in line


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00 USD"),
        ("0.42", "0.42 USD"),
        ("1234.567", "1,234.57 USD"),
        ("0.0000123", "0.000012 USD"),
        ("0.009", "0.0090 USD"),
        ("1e12", "1,000,000,000,000.00 USD"),
    ],
)
def test_an_amount_in_words(amount: str, text: str) -> None:
    assert money(Decimal(amount), "USD", ENGLISH) == text
