"""Thousands of configured agents do not block the event loop of a bridge, which runs as a real process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.agent_entries import AgentFile
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

#: Seconds for which the event loop may compute without a pause.
LIMIT = 0.05


@pytest.mark.long
async def test_thousands_of_configured_agents(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    count = 1_500
    async with ScriptedUpstream("model") as upstream:
        (model,) = (each["id"] for each in upstream.models)
        there = {"name": "scripted", "url": upstream.url, "exclude": ["*"], "poll_interval": 60}
        file = AgentFile(tmp_path / "agents.yaml", {"first": {"label": "First", "model": model}})
        async with harness.talk(database_url, upstream) as talk:
            pass
        config = harness.config(
            database_url, [there], logging={"format": "json"}, agents_file=str(file.path), rooms={"private": True}
        )
        async with harness.watching(talk) as talk, BridgeProcess(tmp_path, config) as bridge:
            await bridge.wait_for("agent configured")
            await talk.command("agent First")
            await bridge.stats()
            file.entries = {f"many-{number}": {"label": f"Many {number}", "model": model} for number in range(count)}
            file.write()
            await bridge.wait_until(lambda: len(bridge.logged("agent configured")) == 1 + count)
            assert "No agent is called" in await talk.command("agent nobody at all")
            found = await bridge.stats()
            assert found["blocked"] <= LIMIT, found["blocked_by"]
