"""The registration file, as Synapse reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from agent_bridge.config.model import Config
from agent_bridge.config.registration import registration, to_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from synapse.appservice import ApplicationService


def load(file: Path) -> ApplicationService:
    """Return the service of a registration."""
    # Every process that collects the tests would import Synapse.
    from synapse.config.appservice import load_appservices

    (service,) = load_appservices("example.org", [str(file)])
    return service


def config(**appservice: Any) -> Config:
    return Config.model_validate(
        {
            "homeserver": {"address": "http://localhost:8008", "domain": "example.org"},
            "appservice": {"as_token": "as secret", "hs_token": "hs secret", **appservice},
            "upstreams": [{"name": "letta", "url": "http://localhost:1416/v1"}],
        }
    )


@pytest.mark.parametrize(
    "appservice",
    [
        {},
        {"id": "yes", "as_token": "0x1f", "hs_token": "- &'\"\\{}#:", "bot_username": "null"},
        {"id": "12\n\u2028é\x7f", "as_token": "1e3", "bot_username": "2001-02-03", "username_prefix": "a.b+c=-/"},
    ],
)
def test_synapse_understands_the_registration(tmp_path: Path, appservice: dict[str, Any]) -> None:
    meant = registration(config(**appservice))
    file = tmp_path / "registration.yaml"
    file.write_text(to_yaml(meant), encoding="utf-8")
    assert YAML(typ="safe", pure=True).load(file) == meant

    service = load(file)
    assert service.id == meant["id"]
    assert service.url == meant["url"]
    assert service.token == meant["as_token"]
    assert service.hs_token == meant["hs_token"]
    assert service.sender.to_string() == config(**appservice).namespace.bot
    assert not service.is_rate_limited()
    assert not service.supports_ephemeral


def test_synapse_gives_the_bridge_its_names_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "registration.yaml"
    file.write_text(to_yaml(registration(config())))
    service = load(file)
    users = ["@agent_:example.org", "@agent_4bea=c3:example.org", "@agentbridge:example.org"]
    aliases = ["#agent_4bea:example.org", "#agentbridge_space:example.org"]
    assert all(service.is_exclusive_user(user) for user in users)
    assert all(service.is_exclusive_alias(alias) for alias in aliases)
    foreign = ["@agent:example.org", "@agentbridge2:example.org", "@agent_x:example.org.evil.net", "@x:example.org"]
    foreign += ["@agent_x:exampleXorg", "@agent_x:example.org:8448", "@agent_x:other.net", "@x@agent_x:example.org"]
    assert not [user for user in foreign if service.is_user_in_namespace(user)]
    assert not [user for user in foreign if service.is_exclusive_alias(user.replace("@", "#"))]
    assert not service.is_exclusive_room("!room:example.org")
