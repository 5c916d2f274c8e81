"""An application service that accepts the homeserver's transactions and does nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import AppServiceConfig


@asynccontextmanager
async def sink(service: AppServiceConfig) -> AsyncIterator[None]:
    """Accept and discard the homeserver's transactions about the rooms of a baseline."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({})

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_put("/_matrix/app/v1/transactions/{id}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, service.hostname, service.port).start()
        yield
    finally:
        await runner.cleanup()
