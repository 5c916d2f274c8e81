"""Without the admin page a bridge imports nothing of it, has no routes and no duties of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PROGRAM = """
import asyncio, json, sys
from agent_bridge.app import build
from agent_bridge.config.model import Config

async def main():
    async with build(Config.model_validate(json.loads(sys.argv[1]))) as bridge:
        names = ("agent_bridge.admin", "jinja2", "markupsafe", "agent_bridge.store.rollups",
                 "agent_bridge.bridge.metering.rollups")
        paths = [each.canonical for each in bridge.listeners.appservice.router.resources()]
        print(json.dumps({
            "modules": sorted(name for name in sys.modules if name.startswith(names)),
            "duties": sorted(bridge.admin_work),
            "routes": [path for path in paths if "admin" in path],
        }))

asyncio.run(main())
"""


def built(database_url: str, **admin: Any) -> Any:
    """Return facts about a bridge in a fresh process."""
    config = {
        "homeserver": {"address": "http://127.0.0.1:9", "domain": "test.local"},
        "appservice": {"as_token": "a", "hs_token": "h"},
        "database": {"url": database_url},
        "upstreams": [{"name": "u", "url": "http://127.0.0.1:9/v1"}],
        "admin": admin,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(config)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_no_page_costs_nothing(database_url: str) -> None:
    off, on = built(database_url), built(database_url, enabled=True)
    assert off == {"modules": [], "duties": [], "routes": []}
    assert on["duties"] == ["rollups", "visitors"]
    assert "/admin/agents" in on["routes"]
    assert {"jinja2", "agent_bridge.admin.pages"} <= set(on["modules"])
