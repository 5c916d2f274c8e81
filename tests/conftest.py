"""What every test may ask for: a real PostgreSQL and a real Synapse, one of each per run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.harness import new_house
from support.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.harness import BridgeHarness


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    # A short path: PostgreSQL's Unix socket lives in it.
    with tempfile.TemporaryDirectory(prefix="ab-pg-") as folder, Cluster(Path(folder)) as running:
        yield running


@pytest.fixture
def database_url(cluster: Cluster) -> Iterator[str]:
    """An empty database."""
    with cluster.database() as uri:
        yield uri


@pytest.fixture(scope="session")
async def harness(cluster: Cluster) -> AsyncIterator[BridgeHarness]:
    """A homeserver that has the bridge registered."""
    async with new_house(cluster) as running:
        yield running
