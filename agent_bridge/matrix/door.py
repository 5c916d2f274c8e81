"""The door: the application-service API that the homeserver calls. 200 means committed.

Takes the place of mautrix's own transaction handler, which answers before it has handled anything, keeps what it has
seen in memory, and knows duplicates by transaction id.
"""

from __future__ import annotations

import hmac
import json
import logging
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from agent_bridge.core.errors import StoreError
from agent_bridge.matrix.events import parse_event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agent_bridge.matrix.events import RoomEvent

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)

#: A transaction has up to 100 events of 64 KiB and what Synapse adds; one that is refused is sent again for ever.
MAX_BODY = 64 * 1024**2


class Intake(Protocol):
    """Who takes what comes through the door."""

    async def take(self, events: Sequence[RoomEvent]) -> None:
        """Make *events* durable. When this returns, they are; when it raises, the homeserver will send them again."""


def _error(status: int, errcode: str, message: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": message}, status=status)


class Door:
    """The routes of the application-service API (Matrix spec, "Application Service API")."""

    def __init__(self, hs_token: str, intake: Intake) -> None:
        self._hs_token = hs_token.encode()
        self._intake = intake

    def add_routes(self, app: web.Application) -> None:
        """Add the routes, in the form of the spec and in the older one without a prefix."""
        for prefix in ("/_matrix/app/v1", ""):
            app.router.add_put(prefix + "/transactions/{txn_id}", self._guarded(self._transaction))
            app.router.add_get(prefix + "/users/{user_id}", self._guarded(self._unknown))
            app.router.add_get(prefix + "/rooms/{alias}", self._guarded(self._unknown))
        app.router.add_post("/_matrix/app/v1/ping", self._guarded(self._ping))

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                token = request.query.get("access_token", "")
            if not hmac.compare_digest(token.strip().encode("utf-8", "surrogatepass"), self._hs_token):
                _log.warning("refused a request without the right hs_token from %s", request.remote)
                return _error(403, "M_FORBIDDEN", "the hs_token is missing or wrong")
            return await handler(request)

        return guarded

    async def _transaction(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError):
            return _error(400, "M_NOT_JSON", "the body is not JSON")
        raw = body.get("events", []) if isinstance(body, dict) else None
        if not isinstance(raw, list):
            return _error(400, "M_BAD_JSON", 'the body must be an object with a list "events"')
        events = [event for event in map(parse_event, raw) if event is not None]
        try:
            await self._intake.take(events)
        except StoreError as error:
            _log.error(
                "transaction %s not taken, the homeserver will repeat it: %s",
                request.match_info["txn_id"],
                error,
            )
            return _error(503, "M_UNKNOWN", "the bridge's database is not available")
        return web.json_response({})

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.json_response({})

    async def _unknown(self, _request: web.Request) -> web.Response:
        # Ghosts and rooms are made when their agent is discovered, never on a query.
        return _error(404, "M_NOT_FOUND", "made only for agents that an upstream lists")
