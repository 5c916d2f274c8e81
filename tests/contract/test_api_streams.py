"""Streams of server-sent events on a real connection: an error is never a second response within the first one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from agent_bridge.api.streams import Streams
from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pytest_aiohttp import AiohttpClient


@pytest.mark.parametrize("error", [StoreError("the database failed"), LookupError("a fault")])
async def test_an_error_behind_the_first_event_cuts_the_connection(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    streams = Streams(1)

    async def texts() -> AsyncGenerator[str, None]:
        yield "data: first\n\n"
        raise error

    async def permitted() -> bool:
        return True

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await streams.serve_texts(request, texts(), permitted)
        except Exception:  # noqa: BLE001 - as the routes do
            return web.json_response({"code": "unavailable"}, status=503)

    app = web.Application()
    app.router.add_get("/v1/events", handle)
    client = await aiohttp_client(app)
    # The second request finds the place of the first one free.
    for _ in range(2):
        async with asyncio.timeout(5), client.get("/v1/events") as response:
            assert response.status == 200
            assert await response.content.readuntil(b"\n\n") == b"data: first\n\n"
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.content.read()
    assert caplog.text.count("the stream /v1/events of a program") == 2
