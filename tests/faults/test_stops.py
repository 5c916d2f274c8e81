"""A signal stops the bridge within the drain timeout: in an outage, after it, and with the embedded database."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]
import pytest

from agent_bridge.config.conversations import CLOSING
from support.conditions import eventually
from support.process import BridgeProcess
from support.watchdog import ends_with_us, temporary_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from support.harness import BridgeHarness
    from support.postgres import Cluster

DRAIN = 2.0
#: For the start of the interpreter's end on a busy machine.
MARGIN = 2.0
PASSWORD = "TOPSECRETPW"
NOBODY = [{"name": "none", "url": "http://127.0.0.1:9/v1"}]


@pytest.fixture
def cluster_url(cluster: Cluster) -> Iterator[str]:
    with cluster.database() as uri:
        # PostgreSQL trusts its socket, and ignores the password.
        yield uri.replace("postgres@", f"postgres:{PASSWORD}@").replace("postgres:@", f"postgres:{PASSWORD}@")


@asynccontextmanager
async def running(harness: BridgeHarness, url: str, folder: Path) -> AsyncIterator[BridgeProcess]:
    config = harness.config(url, NOBODY, logging={"format": "json"}, lanes={"drain_timeout": DRAIN})
    async with BridgeProcess(folder, config) as bridge:
        await bridge.wait_for("listening", within=60)
        yield bridge


async def stop(bridge: BridgeProcess, number: signal.Signals) -> None:
    begin = time.monotonic()
    bridge.signal(number)
    async with asyncio.timeout(DRAIN + CLOSING + MARGIN):
        await bridge.wait()
    assert time.monotonic() - begin < DRAIN + CLOSING + MARGIN


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("seconds", [0.2, 6.0])
async def test_a_stop_in_an_outage_of_the_database(
    harness: BridgeHarness, cluster: Cluster, cluster_url: str, tmp_path: Path, seconds: float, number: signal.Signals
) -> None:
    async with running(harness, cluster_url, tmp_path) as bridge:
        await asyncio.to_thread(cluster.stop, "fast")
        try:
            await asyncio.sleep(seconds)
            await stop(bridge, number)
        finally:
            await asyncio.to_thread(cluster.start)


@pytest.mark.parametrize("seconds", [0.0, 0.2, 1.0])
async def test_a_stop_after_an_outage_of_the_database(
    harness: BridgeHarness, cluster: Cluster, cluster_url: str, tmp_path: Path, seconds: float
) -> None:
    async with running(harness, cluster_url, tmp_path) as bridge:
        await asyncio.to_thread(cluster.stop, "immediate")
        try:
            await asyncio.sleep(3)
        finally:
            await asyncio.to_thread(cluster.start)
        await asyncio.sleep(seconds)
        await stop(bridge, signal.SIGTERM)


async def test_no_line_about_an_outage_contains_the_password(
    harness: BridgeHarness, cluster: Cluster, cluster_url: str, tmp_path: Path
) -> None:
    lines: list[str] = []
    async with running(harness, cluster_url, tmp_path) as bridge:
        await asyncio.to_thread(cluster.stop, "fast")
        await asyncio.sleep(3)
        await asyncio.to_thread(cluster.start)
        await stop(bridge, signal.SIGTERM)
        lines = [str(event) for event in bridge.events]
    assert len(lines) > 3
    assert not [line for line in lines if PASSWORD in line]


@pytest.fixture
def data() -> Iterator[Path]:
    """The folder of an embedded database, with a short path for its socket."""
    with temporary_folder("ab-st-") as folder, ends_with_us("cluster", str(folder / "data" / "postgres")):
        yield folder / "data"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_stop_takes_the_embedded_database_along(
    harness: BridgeHarness, data: Path, tmp_path: Path, number: signal.Signals
) -> None:
    config = harness.config("embedded", NOBODY, logging={"format": "json"}, lanes={"drain_timeout": DRAIN})
    config = config.model_copy(update={"database": config.database.model_copy(update={"data_dir": data})})
    async with BridgeProcess(tmp_path, config) as bridge:
        await bridge.wait_for("listening", within=60)
        pid = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
        await stop(bridge, number)
        assert await bridge.wait() == 0
    assert not (data / "postgres" / "postmaster.pid").exists()
    assert not lives(pid)


def lives(pid: int) -> bool:
    """Tell whether process *pid* runs. One that its parent has not collected does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_a_stop_while_the_embedded_database_starts(harness: BridgeHarness, data: Path, tmp_path: Path) -> None:
    config = harness.config("embedded", NOBODY, logging={"format": "json"}, lanes={"drain_timeout": DRAIN})
    config = config.model_copy(update={"database": config.database.model_copy(update={"data_dir": data})})
    async with BridgeProcess(tmp_path, config) as bridge:

        async def has_begun() -> bool:
            return (data / "postgres").exists()

        await eventually(has_begun, "the database is made")
        await stop(bridge, signal.SIGTERM)
    assert not (data / "postgres" / "postmaster.pid").exists()
