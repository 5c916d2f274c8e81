"""A bridge for the tests that need no special configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.few_rooms import few_rooms
from support.shared_bridge import shared_bridge

__all__ = ["few_rooms", "shared"]

# pytest rewrites the assertions of test modules only; without this call failed days show no values.
pytest.register_assert_rewrite("support.month_first_days", "support.month_last_days")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness
    from support.postgres import Server
    from support.shared_bridge import SharedBridge


@pytest.fixture(scope="module")
async def shared(harness: BridgeHarness, postgres: Server) -> AsyncIterator[SharedBridge]:
    """A bridge that the tests of a file share. Each test has its own agents."""
    with postgres.migrated() as database_url:
        async with shared_bridge(harness, database_url) as running:
            yield running
