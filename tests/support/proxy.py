"""A proxy in front of the homeserver. A test selects the requests and responses that it loses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}


class Proxy:
    """Passes every request on to *target*, and counts.

    Each request is numbered from 1. Where :attr:`loses` says so, the homeserver carries the request out and the
    response is lost; where :attr:`refuses` gives a response, the homeserver does not get the request.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.count = 0
        self.loses: Callable[[int, str, str], bool] = lambda _number, _method, _path: False
        self.refuses: Callable[[int, str, str], web.Response | None] = lambda _number, _method, _path: None
        #: Where it gives an event, the proxy holds the request until the event is set.
        self.holds: Callable[[int, str, str], asyncio.Event | None] = lambda _number, _method, _path: None
        #: Where it gives an event for a path and a body, the client gets the response when the event is set.
        self.delays: Callable[[str, bytes], asyncio.Event | None] = lambda _path, _body: None
        #: Where it gives a response, the homeserver carries the request out and the client gets this response instead.
        self.replaces: Callable[[int, str, str], web.Response | None] = lambda _number, _method, _path: None
        #: Set when the first response was lost.
        self.lost = asyncio.Event()
        app = web.Application(client_max_size=100 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass(self, request: web.Request) -> web.Response:
        self.count += 1
        number, body = self.count, await request.read()
        refusal = self.refuses(number, request.method, request.path)
        if refusal is not None:
            return refusal
        gate = self.holds(number, request.method, request.path)
        if gate is not None:
            await gate.wait()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        async with self._session.request(
            request.method, self._target + request.raw_path, data=body, headers=headers
        ) as answer:
            content = await answer.read()
        if self.loses(number, request.method, request.path):
            self.lost.set()
            await asyncio.Event().wait()
        late = self.delays(request.path, body)
        if late is not None:
            await late.wait()
        replacement = self.replaces(number, request.method, request.path)
        if replacement is not None:
            return replacement
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN}
        return web.Response(status=answer.status, body=content, headers=kept)
