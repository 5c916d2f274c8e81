"""The sections ``quotas``, ``prices`` and ``timezone``: values that are valid, and faults in words."""

from __future__ import annotations

import copy
import sys
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from agent_bridge.config.example import render
from agent_bridge.config.load import load
from agent_bridge.config.model import Config
from agent_bridge.config.validation import check
from agent_bridge.core.quotas import Measure, Per, Period, Rule

if TYPE_CHECKING:
    from pathlib import Path

MINIMAL: dict[str, Any] = {
    "homeserver": {"address": "http://localhost:8008", "domain": "example.org"},
    "appservice": {"as_token": "a", "hs_token": "b"},
    "upstreams": [{"name": "up", "url": "http://localhost:1416/v1"}],
}
PRICES = {"models": [{"match": "*", "input": 1, "output": 2}]}


def config(**sections: Any) -> Config:
    found = check(copy.deepcopy(MINIMAL) | sections)
    assert isinstance(found, Config), found
    return found


def faults(**sections: Any) -> list[str]:
    found = check(copy.deepcopy(MINIMAL) | sections)
    assert isinstance(found, list), found
    return [str(each) for each in found]


def test_without_quotas_there_are_no_rules() -> None:
    book = config().quota_book
    assert (book.rules, book.zone) == ((), UTC)


def test_each_limit_is_a_rule() -> None:
    quota = {"per": "user", "match": "@b*", "role": "member", "messages_per_minute": 20, "tokens_per_day": 200_000}
    found = config(
        quotas=[quota, {"per": "upstream", "money_per_month": 2.35}], prices=PRICES, timezone="Europe/Oslo"
    ).quota_book
    assert found.zone == ZoneInfo("Europe/Oslo")
    assert found.rules == (
        Rule(Per.USER, "@b*", Measure.MESSAGES, Period.MINUTE, Decimal(20), "member"),
        Rule(Per.USER, "@b*", Measure.TOKENS, Period.DAY, Decimal(200_000), "member"),
        # Not 2.35000000000000008882.
        Rule(Per.UPSTREAM, "*", Measure.MONEY, Period.MONTH, Decimal("2.35")),
    )


def test_a_limit_may_be_zero() -> None:
    quota = {"per": "user", "messages_per_minute": 0, "tokens_per_day": 0, "money_per_day": 0}
    assert [each.limit for each in config(quotas=[quota], prices=PRICES).quota_book.rules] == [0, 0, 0]


@pytest.mark.parametrize(
    ("quota", "words"),
    [
        ({"tokens_per_day": 1}, "quotas[0].per: is missing; add it. "),
        ({"per": "planet"}, "quotas[0].per: must be 'user', 'role', 'room', 'agent' or 'upstream'"),
        ({"per": "user", "tokens": 1}, "quotas[0].tokens: is not a known key; did you mean tokens_per_day?"),
        ({"per": "user", "tokens_per_day": -1}, "quotas[0].tokens_per_day: must be at least 0"),
        ({"per": "user", "tokens_per_day": 1.5}, "quotas[0].tokens_per_day: must be a whole number"),
        ({"per": "user", "tokens_per_day": 10**30}, "quotas[0].tokens_per_day: must be at most 1e+15"),
        ({"per": "user", "tokens_per_day": True}, "quotas[0].tokens_per_day: must be a whole number"),
        ({"per": "user", "money_per_day": -0.5}, "quotas[0].money_per_day: must be between 0 and 1000000000000"),
        ({"per": "user", "money_per_day": float("nan")}, "quotas[0].money_per_day: must be between 0 and"),
        ({"per": "user", "money_per_day": float("inf")}, "quotas[0].money_per_day: must be between 0 and"),
        ({"per": "user", "money_per_day": "2"}, "quotas[0].money_per_day: must be a number"),
        ({"per": "user", "money_per_day": True}, "quotas[0].money_per_day: must be a number"),
        ({"per": "user", "match": ""}, "quotas[0].match: must not be empty"),
        ({"per": "user", "role": "king"}, "quotas[0].role: must be one of none, agent, member"),
        ({"per": "room", "role": "member"}, "quotas[0].role: has no effect with per: room, only with per: user"),
        ({"per": "user"}, "quotas[0]: has no limit; set one of messages_per_minute, tokens_per_day"),
        ("all", "quotas[0]: must be a section"),
    ],
)
def test_faults_of_a_quota(quota: Any, words: str) -> None:
    found = faults(quotas=[quota], prices=PRICES)
    assert [each[: len(words)] for each in found] == [words]


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        ({"currency": "dollar"}, "prices.currency: must be three capital letters, such as USD"),
        ({"models": [{"match": "*", "input": 1}]}, "prices.models[0].output: is missing; add it. "),
        ({"models": [{"match": "*", "input": -1, "output": 1}]}, "prices.models[0].input: must be between 0 and"),
        ({"models": {"gpt": 1}}, "prices.models: must be a list"),
        ({"currency": "EUR", "library": True}, "prices.library: needs currency: USD, because the library has no"),
    ],
)
def test_faults_of_prices(prices: Any, words: str) -> None:
    assert [each[: len(words)] for each in faults(prices=prices)] == [words]


@pytest.mark.parametrize("prices", [{}, {"currency": "EUR"}])
def test_a_quota_of_money_needs_prices(prices: dict[str, Any]) -> None:
    quotas = [{"per": "user", "money_per_day": 1}]
    words = "prices: quotas limit money, so there must be prices: set models, or library: true"
    assert faults(quotas=quotas, prices=prices) == [words]
    assert faults(quotas=quotas) == [words]


@pytest.mark.parametrize("zone", ["", "Mars", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/Oslo\0"])
def test_a_time_zone_is_one_of_the_system(zone: str) -> None:
    assert faults(timezone=zone) == ["timezone: must be a time zone that this system knows, such as Europe/Oslo"]


def test_the_price_library_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert faults(prices={"library": True}) == [
        "prices.library: needs the package genai-prices: pip install 'agent-bridge[prices]'"
    ]


def test_a_written_configuration_has_the_same_limits_and_prices(tmp_path: Path) -> None:
    quotas = [
        {"per": "user", "role": "member", "match": "@b:*", "money_per_day": 2.35, "tokens_per_day": 10**15},
        {"per": "room", "messages_per_minute": 0, "money_per_month": 1e-7},
    ]
    prices = {"currency": "EUR", "models": [{"match": "gpt-5*", "input": 1.25, "output": 10, "cached": 0.125}] * 2}
    wanted = config(quotas=quotas, prices=prices, timezone="Europe/Oslo")
    file = tmp_path / "config.yaml"
    file.write_text(render(wanted), encoding="utf-8")
    found = load(file, {})
    assert (found.quotas, found.prices, found.timezone) == (wanted.quotas, wanted.prices, wanted.timezone)
