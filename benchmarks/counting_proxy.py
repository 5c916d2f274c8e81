"""A proxy in front of Synapse that counts the requests of a bridge."""

from __future__ import annotations

from typing import Self

import aiohttp
from aiohttp import web

_OWN = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}
_WRITES = frozenset({"PUT", "POST", "DELETE"})


class CountingProxy:
    """Passes every request on to *target*. Use it as a context manager."""

    def __init__(self, target: str) -> None:
        self._target = target
        #: Requests since :meth:`reset`, and those that change something, as method and path.
        self.requests = 0
        self.writes: list[str] = []
        app = web.Application(client_max_size=100 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def reset(self) -> None:
        """Begin to count anew."""
        self.requests, self.writes = 0, []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass(self, request: web.Request) -> web.Response:
        self.requests += 1
        if request.method in _WRITES:
            self.writes.append(f"{request.method} {request.path}")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        url, body = self._target + request.raw_path, await request.read()
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            content = await answer.read()
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN}
        return web.Response(status=answer.status, body=content, headers=kept)
