"""A bridge that is built in a fresh process, to see of which parts it consists."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_PROGRAM = """
import asyncio, json, sys
from agent_bridge.app import build
from agent_bridge.config.model import Config

async def main():
    async with build(Config.model_validate(json.loads(sys.argv[1]))) as bridge:
        print(json.dumps({facts}))

asyncio.run(main())
"""


def facts_of_bridge(facts: str, database_url: str, **sections: dict[str, Any]) -> Any:
    """Return the value of *facts*, an expression about ``bridge`` and ``sys``, as JSON has it.

    *sections*: of the configuration, beside those that every bridge needs.
    """
    config = {
        "homeserver": {"address": "http://127.0.0.1:9", "domain": "test.local"},
        "appservice": {"as_token": "a", "hs_token": "h"},
        "database": {"url": database_url},
        "upstreams": [{"name": "u", "url": "http://127.0.0.1:9/v1"}],
        **sections,
    }
    program = _PROGRAM.replace("{facts}", facts)
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(config)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])
