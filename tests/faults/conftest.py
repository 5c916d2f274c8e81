"""These tests get a homeserver of their own, because each room that the bridge is in makes the next one slower."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.harness import new_harness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness


@pytest.fixture(scope="session")
async def harness() -> AsyncIterator[BridgeHarness]:
    """A homeserver at which the bridge is registered."""
    async with new_harness() as running:
        yield running
