"""The quick forms of the crash run, with random faults: no answer is lost, doubled, out of order or stuck."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from crash.database import Embedded, External
from crash.driver import Driver, Plan
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness
    from support.postgres import Cluster

#: Set it to the seed of a failed run, to draw the same values again.
_SEED = "CRASH_SEED"


def _seed() -> int:
    return int(os.environ.get(_SEED) or secrets.randbelow(1_000_000))


async def _expect_clean(plan: Plan, harness: BridgeHarness, folder: Path, cluster: Cluster | None) -> None:
    """Run *plan* on a database of *cluster*, or on the embedded one."""
    if cluster is None:
        # A short path: PostgreSQL's Unix socket lives in it.
        with temporary_folder("ab-crash-") as short:
            report = await Driver(plan, harness, Embedded(short / "data"), folder).run()
    else:
        with cluster.database() as uri:
            report = await Driver(plan, harness, External(cluster, uri), folder).run()
    assert report.clean, f"\n{report}"


@pytest.mark.timeout(900)
async def test_random_faults_are_not_seen(harness: BridgeHarness, cluster: Cluster, tmp_path: Path) -> None:
    """Two bridges take over from each other."""
    plan = Plan(kills=3, seed=_seed(), processes=2, rooms=3, quick=True, life=(0.2, 1.5))
    await _expect_clean(plan, harness, tmp_path, cluster)


@pytest.mark.long
async def test_kills_with_the_embedded_database(harness: BridgeHarness, tmp_path: Path) -> None:
    plan = Plan(kills=2, seed=_seed(), rooms=2, faults="kill", synapse=False, life=(0.2, 2.0), operates=False)
    await _expect_clean(plan, harness, tmp_path, None)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("processes", "embedded"), [(1, False), (2, False), (1, True)])
async def test_every_kind_of_fault(
    harness: BridgeHarness, cluster: Cluster, tmp_path: Path, processes: int, *, embedded: bool
) -> None:
    plan = Plan(kills=50, seed=_seed(), processes=processes, rooms=12)
    await _expect_clean(plan, harness, tmp_path, None if embedded else cluster)
