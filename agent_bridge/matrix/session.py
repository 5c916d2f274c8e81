"""The HTTP session towards the homeserver: one that waits when the homeserver asks it to."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

_log = logging.getLogger(__name__)

#: The longest that one request waits, in seconds, before the homeserver's 429 is an error.
PATIENCE = 120.0
#: No limit in total: that would count the waiting as well.
_TIMEOUT = aiohttp.ClientTimeout(connect=10, sock_read=120)
_TOO_MANY = 429
#: The least wait in seconds, whatever the homeserver says.
_PAUSE = 0.1
_DEFAULT = 1.0


_waits: ContextVar[bool] = ContextVar("waits", default=True)


@contextmanager
def at_once() -> Iterator[None]:
    """Have a 429 be an error at once, for what may as well come later or never."""
    token = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(token)


def retry_after(headers: Mapping[str, str], body: bytes) -> float:
    """Return the seconds that a 429 asks for: ``Retry-After``, else ``retry_after_ms``, else 1; never quite none.

    Matrix spec, "Rate limiting".
    """
    try:
        return _seconds(float(headers["Retry-After"]))
    except (KeyError, ValueError):
        pass
    try:
        return _seconds(float(json.loads(body)["retry_after_ms"]) / 1000)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return _DEFAULT


def _seconds(asked: float) -> float:
    return _DEFAULT if math.isnan(asked) else max(_PAUSE, asked)


async def _wait_when_limited(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    waited = 0.0
    while True:
        response = await handler(request)
        if response.status != _TOO_MANY or not _waits.get():
            return response
        delay = retry_after(response.headers, await response.read())
        if waited + delay > PATIENCE:
            return response
        _log.warning("the homeserver limits the rate: waiting %.1f s (is rate_limited: false registered?)", delay)
        response.release()
        await asyncio.sleep(delay)
        waited += delay


def homeserver_session() -> aiohttp.ClientSession:
    """Return a session whose requests wait out a 429, up to :data:`PATIENCE`, or not :func:`at_once`."""
    return aiohttp.ClientSession(
        timeout=_TIMEOUT,
        middlewares=(_wait_when_limited,),
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
    )
