"""The registration file, as the bridge writes it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from agent_bridge.config.api import ApiConfig
from agent_bridge.config.conversations import AnswersConfig
from agent_bridge.config.example import example
from agent_bridge.config.model import Config
from agent_bridge.config.registration import registration, to_yaml


def config(**appservice: Any) -> Config:
    return Config.model_validate(
        {
            "homeserver": {"address": "http://localhost:8008", "domain": "example.org"},
            "appservice": {"as_token": "as secret", "hs_token": "hs secret", **appservice},
            "upstreams": [{"name": "letta", "url": "http://localhost:1416/v1"}],
        }
    )


def test_registration() -> None:
    assert registration(config()) == {
        "id": "agent-bridge",
        "url": "http://localhost:29340",
        "as_token": "as secret",
        "hs_token": "hs secret",
        "sender_localpart": "agentbridge",
        "rate_limited": False,
        "namespaces": {
            "users": [
                {"regex": r"^@agent_.*:example\.org$", "exclusive": True},
                {"regex": r"^@agentbridge:example\.org$", "exclusive": True},
            ],
            "aliases": [
                {"regex": r"^#agent_.*:example\.org$", "exclusive": True},
                {"regex": r"^#agentbridge_space:example\.org$", "exclusive": True},
            ],
            "rooms": [],
        },
    }


@pytest.mark.parametrize(
    ("appservice", "url"),
    [
        ({"port": 8080}, "http://localhost:8080"),
        ({"port": 8080, "address": "https://bridge.example.org/as/"}, "https://bridge.example.org/as"),
    ],
)
def test_url(appservice: dict[str, Any], url: str) -> None:
    assert registration(config(**appservice))["url"] == url


def test_yaml_begins_with_one_comment() -> None:
    lines = to_yaml(registration(config())).splitlines()
    assert [line.startswith("#") for line in lines] == [True] + [False] * (len(lines) - 1)


def test_namespaces_are_regular_expressions_of_the_names() -> None:
    names = example().namespace
    assert re.fullmatch(names.user_regex, names.user_id(names.localpart("agent-4bea")))
    assert re.fullmatch(names.alias_regex, names.alias(names.localpart("Ärger + Spaß")))
    assert re.fullmatch(names.bot_regex, names.bot)
    assert re.fullmatch(names.space_alias_regex, names.alias(names.space_alias_localpart))
    assert not re.fullmatch(names.user_regex, names.bot)


def test_typing_is_asked_for() -> None:
    asked = config().model_copy(update={"api": ApiConfig(typing=True)})
    found = registration(asked)
    assert found["receive_ephemeral"] is True
    assert found["de.sorunome.msc2409.push_ephemeral"] is True


def test_event_streams_need_devices_and_messages_to_them() -> None:
    asked = config().model_copy(update={"answers": AnswersConfig(event_streams=True)})
    found = registration(asked)
    assert (found["receive_ephemeral"], found["io.element.msc4190"]) == (True, True)
    assert "org.matrix.msc3202" not in found
    assert "io.element.msc4190" not in registration(config())
