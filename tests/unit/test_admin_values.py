"""Values of the admin page: the configuration without secrets, the points of the plots, and the origin of forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import make_mocked_request

from agent_bridge.admin.activity import _Subscriber, _texts
from agent_bridge.admin.configuration import config_lines
from agent_bridge.admin.login import _token_in
from agent_bridge.admin.plots import Span, beginning, days, points
from agent_bridge.admin.security import BrowserSecurity
from agent_bridge.admin.visitors import Visitor
from agent_bridge.config.model import Config
from agent_bridge.config.validation import check
from agent_bridge.core.rollups import Rollup

SECRETS = (
    "as-secret-token",
    "hs-secret-token",
    "key-secret-1",
    "hook-secret",
    "header-secret",
    "query-secret",
    "pass-secret",
    "metrics-secret",
)
BASE: dict[str, Any] = {
    "homeserver": {"address": "http://user:pass-secret@localhost:8008", "domain": "example.org"},
    "appservice": {"as_token": "as-secret-token", "hs_token": "hs-secret-token"},
    "database": {"url": "postgresql://me:pass-secret@db.example.org/x?password=pass-secret"},
    "upstreams": [
        {
            "name": "one",
            "url": "http://me:pass-secret@localhost:1/v1",
            "api_key": "key-secret-1",
            "webhook_token": "hook-secret",
            "headers": {"X-Key": "header-secret"},
            "query": {"key": "query-secret"},
        }
    ],
    "metrics": {"token": "metrics-secret"},
    "agents": [{"id": "a", "label": "A", "model": "m", "system_prompt": "The password is key-secret-1. " + "x" * 1000}],
    "quotas": [{"per": "user", "messages_per_minute": 5}],
    "api": {"trusted_proxies": ["10.0.0.0/8"]},
    "permissions": {"example.org": "member"},
}


def test_the_configuration_is_shown_without_secrets() -> None:
    lines = {each.path: each for each in config_lines(Config.model_validate(BASE))}
    shown = repr(lines)
    assert [secret for secret in SECRETS if secret in shown] == []
    assert lines["appservice.as_token"].value is None
    assert lines["upstreams[one].api_key"].value is None
    assert lines["upstreams[one].headers.X-Key"].value is None
    assert lines["upstreams[one].url"].value == "http://me@localhost:1/v1"
    assert lines["database.url"].value == "postgresql://me@db.example.org/x"
    # It has a secret of another key.
    assert lines["agents[a].system_prompt"].value is None
    assert lines["homeserver.domain"].value == "example.org"
    assert (lines["permissions.example.org"].value, lines["permissions.example.org"].is_live) == ("member", True)
    assert lines["api.trusted_proxies"].value == "[10.0.0.0/8]"
    assert (lines["retention.turns_days"].is_live, lines["api.port"].is_live) == (True, False)
    assert lines["api.port"].value == "null"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example.org/x?user=me&password=pass-secret",
        "postgresql:///x?sslmode=require&sslpassword=pass-secret",
        "postgresql://me:1234?pass-secret@db.example.org/x",
        "postgresql://me@db.example.org/x#pass-secret",
    ],
)
def test_libpq_has_passwords_in_other_places(url: str) -> None:
    config = Config.model_validate(BASE | {"database": {"url": url}})
    (line,) = [each for each in config_lines(config) if each.path == "database.url"]
    assert "secret" not in repr(line)
    assert "1234" not in repr(line)
    assert line.value in {None, "postgresql://db.example.org/x", "postgresql:///x", "postgresql://me@db.example.org/x"}


def test_a_token_in_the_place_of_a_name_is_hidden() -> None:
    upstream = BASE["upstreams"][0] | {"url": "http://pass-secret@localhost:1/v1"}
    lines = {each.path: each for each in config_lines(Config.model_validate(BASE | {"upstreams": [upstream]}))}
    assert lines["upstreams[one].url"].value == "http://localhost:1/v1"


def test_every_key_of_the_configuration_has_a_line() -> None:
    paths = {each.path.partition(".")[0].partition("[")[0] for each in config_lines(Config.model_validate(BASE))}
    assert paths == set(Config.model_fields)


@pytest.mark.parametrize(("hostname", "host"), [("::1", "[::1]"), ("::", "[::]"), ("127.0.0.1", "127.0.0.1")])
def test_the_page_is_at_an_address_of_any_kind(hostname: str, host: str) -> None:
    config = Config.model_validate(BASE | {"appservice": BASE["appservice"] | {"hostname": hostname}})
    assert config.public_url == f"http://{host}:29340"
    assert BrowserSecurity(config.public_url, (), "").session_of(make_mocked_request("GET", "/admin")) is None


async def test_a_stream_tells_scripts_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_bridge.admin.activity.HEARTBEAT", 0.01)
    texts = _texts(_Subscriber(Visitor("@admin:example.org", "", "")))
    assert [(await anext(texts)).splitlines()[-2:] for _ in range(2)] == [["data: {}", ""], ["data: {}", ""]]
    await texts.aclose()


def test_without_the_package_there_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_bridge.config.admin.find_spec", lambda _: None)
    found = check(BASE | {"admin": {"enabled": True}})
    assert not isinstance(found, Config)
    assert [str(each) for each in found] == [
        "admin.enabled: needs the package jinja2: pip install 'agent-bridge[admin]'"
    ]
    assert isinstance(check(BASE | {"admin": {"enabled": False}}), Config)


def rollup(at: datetime, **values: Any) -> Rollup:
    given: dict[str, Any] = {"at": at, "first_words": {}, "whole_answer": {}} | values
    return Rollup(**given)


def test_the_points_have_a_rate_for_each_step() -> None:
    now = datetime(2026, 5, 8, 12, 34, tzinfo=UTC)
    hour = datetime(2026, 5, 8, 10, tzinfo=UTC)
    sums = [
        rollup(hour + timedelta(minutes=m), done=2, failed=1, whole_answer={3: 1}, input_tokens=10) for m in (0, 5, 55)
    ]
    for span, expected in ((Span.WEEK, [6.0]), (Span.DAY, [16.0, 8.0])):
        found = points(sums, span, now)
        assert {len(column) for key in ("ends", "words", "times", "sums") for column in found[key]} == {
            len(found["at"])
        }
        assert found["at"] == sorted(found["at"])
        assert [each for each in found["ends"][0] if each] == expected
        assert {each for each in found["times"][0] if each is not None} == {1.5}
        assert set(found["words"][0]) == {None}
        # The present step is not whole.
        assert found["at"][-1] + span.step <= now.timestamp()
    assert len(points([], Span.WEEK, now)["at"]) == 167


def test_the_days_are_those_of_the_time_zone() -> None:
    at = datetime(2026, 5, 7, 23, 30, tzinfo=UTC)
    sums = [rollup(at - timedelta(hours=3), done=1, cost=Decimal(1)), rollup(at, done=2, whole_answer={0: 2})]
    first, second = days(sums, ZoneInfo("Europe/Oslo"))
    assert (str(first.sums.at.date()), first.sums.done, first.whole, first.sums.cost) == (
        "2026-05-08",
        2,
        (0.125, 0.2375),
        None,
    )
    assert (str(second.sums.at.date()), second.sums.done, second.sums.cost) == ("2026-05-07", 1, Decimal(1))
    assert len(days(sums, ZoneInfo("UTC"))) == 1


def test_a_span_begins_with_a_step() -> None:
    now = datetime(2026, 5, 8, 12, 34, 56, tzinfo=UTC)
    assert beginning(Span.WEEK, now) == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert beginning(Span.DAY, now) == datetime(2026, 5, 7, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1",
        "[]",
        "{}",
        '{"access_token": "t"}',
        '{"access_token": ["t"], "matrix_server_name": "s"}',
        "[" * 9999,
    ],
)
def test_other_texts_are_no_tokens(text: str) -> None:
    assert "" in _token_in(text)


def test_a_response_of_the_homeserver_is_a_token() -> None:
    text = '{"access_token": "t", "token_type": "Bearer", "matrix_server_name": "example.org", "expires_in": 3600}'
    assert _token_in(text) == ("t", "example.org")
