"""The route of the MCP server: its requests have the token, the limits and the problems of the API."""

from __future__ import annotations

import asyncio
import importlib
import json
from contextlib import AsyncExitStack
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from aiohttp import web
from yarl import URL

from agent_bridge.api.limits import SharedPlaces
from agent_bridge.api.mcp.exchange import Exchange
from agent_bridge.api.mcp.messages import fault_of
from agent_bridge.api.problems import problem_response
from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from agent_bridge.api.mcp.server import McpServer
    from agent_bridge.api.routes import ApiRoutes
    from agent_bridge.api.services import ApiServices
    from agent_bridge.core.programs import Token

PATH = "/mcp"
#: Bytes of a body: a file of 1 MiB as Base64, and its arguments.
_MAX_BODY = 2 * 1024 * 1024
#: Bodies above 256 KiB that are held in memory at a time, and those of one token.
_LARGE_BODIES, _OWN_LARGE_BODIES = 4, 2
#: Package of the extra. Version 1 of the SDK does not have it.
_PACKAGE = "mcp_types"
_MISSING = 'the MCP server is not installed: pip install "agent-bridge[mcp]"'
#: Headers that the SDK does not need.
_SECRETS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
#: The SDK refuses requests that name other types, and some clients name none. All responses are JSON.
_ACCEPT = (b"accept", b"application/json, text/event-stream")
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class McpRoutes:
    """``/mcp``, at the public *url* of the bridge. *api* recognises and limits the requests.

    The SDK takes 0.4 seconds of CPU time and 30 MB, so the first request loads it, in a thread.
    """

    def __init__(self, api: ApiRoutes, services: ApiServices, url: str) -> None:
        self._api = api
        self._services = services
        self._origin = URL(url).origin()
        self._server: McpServer | None = None
        self._loading = asyncio.Lock()
        self._large = SharedPlaces(_LARGE_BODIES, _OWN_LARGE_BODIES)

    def add_routes(self, app: web.Application) -> None:
        """Add the route."""
        for path in (PATH, f"{PATH}/"):
            app.router.add_route("*", path, self._handle)
        app.on_cleanup.append(self._end)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if find_spec(_PACKAGE) is None:
            return problem_response(Problem.NOT_FOUND, _MISSING)
        if not self._is_ours(request.headers.get("Origin")):
            return problem_response(Problem.ORIGIN_NOT_ALLOWED)
        if request.method != "POST":
            # There are no sessions, so there is nothing to subscribe to and nothing to delete.
            return problem_response(Problem.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        return await self._api.guarded("mcp", request, partial(self._respond, request), waits=True)

    async def _end(self, _app: web.Application) -> None:
        if self._server is not None:
            await self._server.end()

    def _is_ours(self, origin: str | None) -> bool:
        """Tell whether no web page, or one of the bridge itself, sends a request: a page may have rebound its name."""
        if origin is None:
            return True
        try:
            return URL(origin).origin() == self._origin
        except ValueError:
            return False

    async def _respond(self, request: web.Request, token: Token) -> web.Response:
        if request.content_type != "application/json":
            raise ProgramRefused(Problem.UNSUPPORTED_MEDIA_TYPE, "Content-Type is application/json")
        async with AsyncExitStack() as places:
            # Only now: the wait for an answer with a small body takes no place.
            body = await self._api.body(
                request, token, _MAX_BODY, lambda: places.enter_async_context(self._large.taken(token.id))
            )
            return await self._exchanged(request, token, body)

    async def _exchanged(self, request: web.Request, token: Token, body: bytes) -> web.Response:
        fault = fault_of(body)
        if fault is not None:
            return web.Response(text=json.dumps(fault), status=400, headers=_HEADERS, content_type="application/json")
        server = self._server or await self._loaded()
        named = [(key.lower(), value) for key, value in request.raw_headers]
        headers = [each for each in named if each[0] not in _SECRETS and each[0] != _ACCEPT[0]]
        exchange = Exchange(PATH, [*headers, _ACCEPT], body, token)
        await server.respond(exchange)
        kind = {"Content-Type": exchange.content_type} if exchange.content_type else {}
        return web.Response(body=bytes(exchange.response), status=exchange.status, headers=_HEADERS | kind)

    async def _loaded(self) -> McpServer:
        async with self._loading:
            if self._server is None:
                module = await asyncio.to_thread(importlib.import_module, "agent_bridge.api.mcp.server")
                catalogue = await asyncio.to_thread(module.Catalogue.of_all)
                server: McpServer = module.McpServer(catalogue, self._services, self._api.check)
                await server.start()
                self._server = server
            return self._server
