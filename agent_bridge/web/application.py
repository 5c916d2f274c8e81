"""The web application of the bridge: the endpoint, the health pages, and the routes for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from agent_bridge.matrix.appservice import MAX_BODY
from agent_bridge.web.answers import error_response
from agent_bridge.web.connections import track_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Middleware

    from agent_bridge.matrix.appservice import AppServiceEndpoint
    from agent_bridge.web.health import HealthPages


class Routes(Protocol):
    """Routes of other programs."""

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""


def application(
    endpoint: AppServiceEndpoint,
    pages: HealthPages,
    *others: Routes,
    fallback: bool = True,
    middlewares: Iterable[Middleware] = (),
) -> web.Application:
    """Return an application with the routes of *endpoint*, *pages* and *others*, whose requests pass *middlewares*.

    *fallback*: it answers unknown paths for programs, too; else one of *others* does.
    """
    app = web.Application(client_max_size=MAX_BODY + 1, middlewares=[track_request, *middlewares])
    endpoint.add_routes(app)
    pages.add_routes(app)
    for routes in others:
        routes.add_routes(app)
    if fallback:
        # Programs that use the other routes read errors as JSON.
        app.router.add_route("*", "/v1/{path:.*}", _unknown)
    return app


def api_application(*routes: Routes, middlewares: Iterable[Middleware] = ()) -> web.Application:
    """Return an application with *routes* alone, for a listener that the homeserver does not use."""
    app = web.Application(middlewares=[track_request, *middlewares])
    for each in routes:
        each.add_routes(app)
    return app


async def _unknown(_request: web.Request) -> web.Response:
    return error_response(404, "not_found", "there is no such path")
