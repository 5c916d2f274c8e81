"""The HTTP session towards the homeserver: one that waits when the homeserver asks it to."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

_log = logging.getLogger(__name__)

#: The longest that one request waits, in seconds, before the homeserver's 429 is an error.
PATIENCE = 120.0
_TIMEOUT = aiohttp.ClientTimeout(total=120, connect=10)
_TOO_MANY = 429


def retry_after(headers: object, body: bytes) -> float:
    """Return the seconds that a 429 asks for: ``Retry-After``, else ``retry_after_ms``, else 1.

    Matrix spec, "Rate limiting".
    """
    try:
        return max(0.0, float(headers["Retry-After"]))  # type: ignore[index]
    except (KeyError, ValueError):
        pass
    try:
        return max(0.0, float(json.loads(body)["retry_after_ms"]) / 1000)
    except (KeyError, TypeError, ValueError):
        return 1.0


async def _wait_when_limited(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    waited = 0.0
    while True:
        response = await handler(request)
        if response.status != _TOO_MANY:
            return response
        delay = retry_after(response.headers, await response.read())
        if waited + delay > PATIENCE:
            return response
        _log.warning("the homeserver limits the rate: waiting %.1f s (is rate_limited: false registered?)", delay)
        response.release()
        await asyncio.sleep(delay)
        waited += delay


def homeserver_session() -> aiohttp.ClientSession:
    """Return a session whose requests wait out a 429, up to :data:`PATIENCE`."""
    return aiohttp.ClientSession(
        timeout=_TIMEOUT,
        middlewares=(_wait_when_limited,),
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
    )
