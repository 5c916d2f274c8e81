"""A signal stops the bridge within the drain timeout: in an outage, after it, and with the embedded database."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
import psutil  # type: ignore[import-untyped]
import pytest

from agent_bridge.config.conversations import CLOSING
from agent_bridge.demo.program import Program
from support.conditions import eventually
from support.forked import fork_module
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


@pytest.mark.parametrize(
    ("seconds", "number"),
    [
        (0.2, signal.SIGTERM),
        pytest.param(0.2, signal.SIGINT, marks=pytest.mark.long),
        pytest.param(6.0, signal.SIGTERM, marks=pytest.mark.long),
    ],
)
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


@pytest.mark.long
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


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
    ],
)
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
    # The start of the database takes long on a busy machine; at the limit it would be left to the next start.
    config = harness.config("embedded", NOBODY, logging={"format": "json"}, lanes={"drain_timeout": 30})
    config = config.model_copy(update={"database": config.database.model_copy(update={"data_dir": data})})
    async with BridgeProcess(tmp_path, config) as bridge:

        async def has_begun() -> bool:
            return (data / "postgres").exists()

        await eventually(has_begun, "the database is made")
        bridge.signal(signal.SIGTERM)
        async with asyncio.timeout(30 + MARGIN):
            await bridge.wait()
    assert not (data / "postgres" / "postmaster.pid").exists()


@pytest.mark.long
async def test_the_bridge_goes_on_when_its_embedded_postmaster_was_killed(
    harness: BridgeHarness, data: Path, tmp_path: Path
) -> None:
    config = harness.config("embedded", NOBODY, logging={"format": "json"}, lanes={"drain_timeout": DRAIN})
    config = config.model_copy(update={"database": config.database.model_copy(update={"data_dir": data})})

    async def is_ready() -> bool:
        async with aiohttp.request("GET", f"{config.appservice.url}/readyz") as response:
            return response.status == HTTPStatus.OK

    def postmaster() -> int:
        file = data / "postgres" / "postmaster.pid"
        return int(file.read_text().split()[0]) if file.exists() and file.stat().st_size else 0

    async def is_another() -> bool:
        return postmaster() not in {0, killed}

    async with BridgeProcess(tmp_path, config) as bridge:
        await bridge.wait_for("listening", within=60)
        await eventually(is_ready, "the bridge is ready")
        killed = postmaster()
        os.kill(killed, signal.SIGKILL)
        # A restart may be faster than a look at the readiness, which is shared for a second.
        await eventually(is_another, "another postmaster runs")
        await eventually(is_ready, "the database is back")
        await stop(bridge, signal.SIGTERM)


class Hanging(Program):
    """A program like the bridge whose stop blocks the event loop."""

    def __init__(self) -> None:
        super().__init__("faults.hanging_stop", start=fork_module)
        self.works = False

    def on_event(self, event: dict[str, Any]) -> None:
        self.works = event["event"] == "listening"


async def test_a_stop_that_hangs_ends_the_process() -> None:
    """With code 1: its supervisor learns that it did not end well."""
    async with Hanging() as program:
        await program.wait_until(lambda: program.works)
        program.signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await program.wait() == 1
