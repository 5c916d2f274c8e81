"""The section ``metrics``: an impossible value names its key."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from agent_bridge.config.live_keys import changes
from agent_bridge.config.model import Config
from agent_bridge.config.validation import check

BASE: dict[str, Any] = {
    "homeserver": {"address": "http://localhost:8008", "domain": "example.org"},
    "appservice": {"as_token": "a", "hs_token": "h", "port": 29340},
    "upstreams": [],
}


def faults(metrics: dict[str, Any], **sections: Any) -> list[str]:
    found = check(BASE | sections | {"metrics": metrics})
    return [] if isinstance(found, Config) else [str(each) for each in found]


def test_there_are_no_metrics_by_default() -> None:
    assert not Config.model_validate(BASE).metrics.enabled


@pytest.mark.parametrize("section", [{"port": 29350}, {"token": "secret"}])
def test_without_the_package_there_is_a_fault(section: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    (key,) = section
    assert faults(section) == [
        f"metrics.{key}: needs the package prometheus-client: pip install 'agent-bridge[metrics]'"
    ]


@pytest.mark.parametrize(
    ("metrics", "sections", "fault"),
    [
        ({"port": 29340}, {}, "metrics: port must not be that of appservice.port"),
        ({"port": 29400}, {"api": {"port": 29400}}, "metrics: port must not be that of api.port"),
        ({"port": 0}, {}, "metrics.port: must be at least 1"),
        ({"port": 65536}, {}, "metrics.port: must be at most 65535"),
        ({"port": "x"}, {}, "metrics.port: must be a whole number"),
        ({"hostname": ""}, {}, "metrics.hostname: must not be empty"),
        ({"token": ""}, {}, "metrics.token: must be one line"),
        ({"token": "two\nlines"}, {}, "metrics.token: must be one line"),
        ({"tokens": "x"}, {}, "metrics.tokens: is not a known key; did you mean token?"),
    ],
)
def test_a_fault_names_its_key(metrics: dict[str, Any], sections: dict[str, Any], fault: str) -> None:
    (found,) = faults(metrics, **sections)
    assert found.startswith(fault)
    assert "two" not in found


def test_a_change_needs_a_restart() -> None:
    before, after = (Config.model_validate(BASE | {"metrics": {"token": each}}) for each in ("one", "two"))
    assert changes(before, after).restart == ("metrics.token",)
