"""A test that never ends, with every server that tests start: test_killed_run.py kills its run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.forked import fork_module
from support.process import BridgeProcess

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness


async def test_endless(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    config = harness.config(
        database_url, [{"name": "none", "url": "http://127.0.0.1:9/v1"}], logging={"format": "json"}
    )
    async with BridgeProcess(tmp_path, config) as bridge:
        await bridge.wait_for("listening", within=60)
        # This program notices neither a closed pipe nor the end of its servers.
        await fork_module("support.idle_program")
        (tmp_path.parent / "running").touch()
        await asyncio.Event().wait()
