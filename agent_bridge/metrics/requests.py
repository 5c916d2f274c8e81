"""The requests of programs are counted by the templates of their paths."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    from agent_bridge.metrics.observer import CountingObserver

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The beginnings of the routes of programs.
_OF_PROGRAMS = ("/v1/", "/mcp", "/a2a/")
#: The routes of all other paths.
_CATCH_ALL, UNKNOWN = "/v1/{path}", "unknown"
_STREAM = "text/event-stream"


def count_requests(observer: CountingObserver) -> Middleware:
    """Return a middleware that has *observer* count the requests of programs, and no others."""

    @web.middleware
    async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(_OF_PROGRAMS):
            return await handler(request)
        begin, status, is_stream = time.monotonic(), 500, False
        try:
            response = await handler(request)
            status, is_stream = response.status, response.content_type == _STREAM
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            seconds = None if is_stream else time.monotonic() - begin
            observer.api_request(_route_of(request), request.method, status, seconds)
        return response

    return counted


def _route_of(request: web.Request) -> str:
    """Return the template of the path: names, ids and tokens in it are no labels."""
    resource = request.match_info.route.resource
    route = UNKNOWN if resource is None else resource.canonical
    return UNKNOWN if route == _CATCH_ALL else route
