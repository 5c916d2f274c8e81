"""The quick form of the crash run, with random kills: no answer is lost, doubled, out of order or stuck."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from crash.driver import Driver, Plan

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

#: Set it to the seed of a failed run, to draw the same values again.
_SEED = "CRASH_SEED"


def _seed() -> int:
    return int(os.environ.get(_SEED) or secrets.randbelow(1_000_000))


@pytest.mark.timeout(900)
async def test_twenty_kills_are_not_seen(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    plan = Plan(kills=20, seed=_seed(), life=(0.2, 2.0))
    report = await Driver(plan, harness, database_url, tmp_path).run()
    assert report.clean, f"\n{report}"


async def test_two_bridges_take_over_from_each_other(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    plan = Plan(kills=6, seed=_seed(), processes=2, rooms=8, life=(0.2, 2.0))
    report = await Driver(plan, harness, database_url, tmp_path).run()
    assert report.clean, f"\n{report}"
