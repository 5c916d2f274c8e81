"""A homeserver of their own: each room that the bridge is in makes the next one a little slower."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.harness import new_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness
    from support.postgres import Cluster


@pytest.fixture(scope="module")
async def harness(cluster: Cluster) -> AsyncIterator[BridgeHarness]:
    """A homeserver that has the bridge registered."""
    async with new_house(cluster) as running:
        yield running
