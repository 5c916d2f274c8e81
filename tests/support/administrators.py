"""Server administrators of the homeserver."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import aiohttp

from agent_bridge.demo.account import call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness


@asynccontextmanager
async def server_administrator(harness: BridgeHarness, user: str) -> AsyncIterator[None]:
    """Make *user* a server administrator for a time."""
    token = await harness.synapse.register_user(f"root{uuid4().hex}", "password", admin=True)
    async with aiohttp.ClientSession(harness.synapse.url, headers={"Authorization": f"Bearer {token}"}) as http:
        path = f"/_synapse/admin/v1/users/{quote(user)}/admin"
        await call(http, "PUT", path, {"admin": True})
        try:
            yield
        finally:
            await call(http, "PUT", path, {"admin": False})
