"""A signal stops the bridge within the drain timeout, also in an outage of the database and after it."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.config.conversations import CLOSING
from agent_bridge.demo.program import Program
from support.forked import fork_module
from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from support.harness import BridgeHarness
    from support.postgres import Cluster

DRAIN = 2.0
#: For the start of the interpreter's end on a busy machine.
MARGIN = 2.0
NOBODY = [{"name": "none", "url": "http://127.0.0.1:9/v1"}]


@pytest.fixture
def cluster_url(cluster: Cluster) -> Iterator[str]:
    with cluster.database() as uri:
        yield uri


@asynccontextmanager
async def running(harness: BridgeHarness, url: str, folder: Path) -> AsyncIterator[BridgeProcess]:
    config = harness.config(url, NOBODY, logging={"format": "json"}, lanes={"drain_timeout": DRAIN})
    async with BridgeProcess(folder, config) as bridge:
        await bridge.wait_for("listening", within=60)
        yield bridge


async def stop(bridge: BridgeProcess, number: signal.Signals) -> int:
    """Send the signal *number*, and return the exit code; the process ends in time."""
    begin = time.monotonic()
    bridge.signal(number)
    async with asyncio.timeout(DRAIN + CLOSING + MARGIN):
        code = await bridge.wait()
    assert time.monotonic() - begin < DRAIN + CLOSING + MARGIN
    return code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_each_signal_is_a_clean_stop(
    harness: BridgeHarness, database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    async with running(harness, database_url, tmp_path) as bridge:
        assert await stop(bridge, number) == 0


@pytest.mark.parametrize("seconds", [0.2, 6.0])
async def test_a_stop_in_an_outage_of_the_database(
    harness: BridgeHarness, cluster: Cluster, cluster_url: str, tmp_path: Path, seconds: float
) -> None:
    async with running(harness, cluster_url, tmp_path) as bridge:
        await asyncio.to_thread(cluster.stop, "fast")
        try:
            await asyncio.sleep(seconds)
            await stop(bridge, signal.SIGTERM)
        finally:
            await asyncio.to_thread(cluster.start)


async def test_a_stop_after_an_outage_of_the_database(
    harness: BridgeHarness, cluster: Cluster, cluster_url: str, tmp_path: Path
) -> None:
    async with running(harness, cluster_url, tmp_path) as bridge:
        await asyncio.to_thread(cluster.stop, "immediate")
        await asyncio.to_thread(cluster.start)
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
