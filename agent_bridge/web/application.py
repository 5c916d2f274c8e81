"""The web application of the bridge: the endpoint and the health pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from agent_bridge.matrix.appservice import MAX_BODY
from agent_bridge.web.connections import track_request

if TYPE_CHECKING:
    from agent_bridge.matrix.appservice import AppServiceEndpoint
    from agent_bridge.web.health import HealthPages


def application(endpoint: AppServiceEndpoint, pages: HealthPages) -> web.Application:
    """Return an application with the routes of *endpoint* and *pages*."""
    app = web.Application(client_max_size=MAX_BODY + 1, middlewares=[track_request])
    endpoint.add_routes(app)
    pages.add_routes(app)
    return app
