"""A fixture for folders whose tests start many bridges at one homeserver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
async def few_rooms(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Empty the homeserver after a test, see :meth:`support.harness.BridgeHarness.clear`."""
    yield
    if "harness" in request.fixturenames:
        await request.getfixturevalue("harness").clear()
