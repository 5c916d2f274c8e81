"""A short form of ``make crash-letta``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crash.letta import play

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness
    from support.letta_server import LettaServer


async def test_cuts_and_kills_are_not_seen(
    harness: BridgeHarness, letta: LettaServer, database_url: str, tmp_path: Path
) -> None:
    cuts = ["all connections reset", "bridge: SIGKILL"]
    run = await play(harness, letta, database_url, tmp_path / "bridge", cuts=cuts, seed=3, rooms=2)
    assert run.verdict.faults == []
