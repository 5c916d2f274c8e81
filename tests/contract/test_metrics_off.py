"""Without metrics a bridge imports nothing of them, and its requests pass nothing of them; with metrics it does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from agent_bridge.demo.synapse import free_port

PROGRAM = """
import asyncio, json, sys
from agent_bridge.app import build
from agent_bridge.config.model import Config

async def main():
    async with build(Config.model_validate(json.loads(sys.argv[1]))) as bridge:
        session = bridge.homeserver._api.session
        apps = [bridge.listeners.appservice, bridge.listeners.metrics]
        print(json.dumps({
            "modules": [name for name in sys.modules if name.startswith(("prometheus_client", "agent_bridge.metrics"))],
            "observes": bridge.observer.measures,
            "homeserver": len(session._middlewares),
            "appservice": len(apps[0].middlewares),
            "routes": [r.canonical for app in apps if app for r in app.router.resources() if "metrics" in r.canonical],
        }))

asyncio.run(main())
"""


def built(database_url: str, **metrics: Any) -> Any:
    """Return facts about a bridge in a fresh process."""
    config = {
        "homeserver": {"address": "http://127.0.0.1:9", "domain": "test.local"},
        "appservice": {"as_token": "a", "hs_token": "h"},
        "database": {"url": database_url},
        "upstreams": [{"name": "u", "url": "http://127.0.0.1:9/v1"}],
        "metrics": metrics,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(config)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_no_metrics_cost_nothing(database_url: str) -> None:
    off, on = built(database_url), built(database_url, port=free_port())
    assert (off["modules"], off["observes"], off["routes"]) == ([], False, [])
    assert on["observes"]
    assert on["routes"] == ["/metrics"]
    assert {"prometheus_client", "agent_bridge.metrics.observer"} <= set(on["modules"])
    # One middleware for each: of the session, and of the listener.
    assert (on["homeserver"] - off["homeserver"], on["appservice"] - off["appservice"]) == (1, 1)
