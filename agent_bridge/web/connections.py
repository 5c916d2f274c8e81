"""Connections to the endpoint: each has a deadline until its caller is known, and their number is limited."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from agent_bridge.matrix.appservice import AUTHORISED, OF_PROGRAM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)

#: Seconds for which the rest of a refused body is read, so that its sender reads the response.
_LINGERING = 2.0
#: The problem that a request without the form of HTTP has (RFC 9457).
_NOT_HTTP = {
    "type": "urn:agent-bridge:problem:invalid_request",
    "title": "The request has another form",
    "status": 400,
    "code": "invalid_request",
    "detail": "the request is not valid HTTP",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the connections."""

    #: Seconds until the head of a request has arrived. A caller that has sent a valid token may be idle for longer.
    head: float = 10.0
    #: Seconds between two requests of a program: its next one may come at the moment of the end, and be lost. Clients
    #: and proxies keep connections for a minute or 90 seconds.
    idle: float = 120.0
    #: Connections without a valid token so far. A further one replaces the oldest, if that is older than *grace*
    #: seconds: hundreds of programs may connect at the same moment, as after a restart.
    strangers: int = 64
    grace: float = 1.0
    #: All connections.
    total: int = 2000

    @classmethod
    def of_process(cls) -> Limits:
        """Return limits that leave half of the descriptors to the database, the homeserver and the agents."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        total = cls.total if soft == resource.RLIM_INFINITY else min(cls.total, soft // 2)
        return cls(total=total, strangers=min(cls.strangers, total // 2))


class Connections:
    """The open connections of a server. Pass :meth:`accept` to ``loop.create_server``."""

    def __init__(self, server: web.Server, limits: Limits) -> None:
        self._server = server
        self.limits = limits
        self._open: set[_Connection] = set()
        #: Connections without a valid token that wait for a request, oldest first, and since when.
        self._strangers: dict[_Connection, float] = {}
        #: Those of programs that wait for a request, oldest first. They end only where there are too many of all.
        self._idle: dict[_Connection, None] = {}

    def accept(self) -> RequestHandler:
        """Return the protocol of a new connection."""
        # Synapse does not compress requests, so a compressed body is broken or a decompression bomb.
        return _Connection(self, self._server, asyncio.get_running_loop())

    def add(self, connection: _Connection) -> bool:
        """Admit *connection*, in place of the oldest stranger if need be; return False if there are too many."""
        oldest, since = next(iter(self._strangers.items()), (None, time.monotonic()))
        is_full = len(self._open) >= self.limits.total
        has_many = len(self._strangers) >= self.limits.strangers and time.monotonic() - since >= self.limits.grace
        if is_full and oldest is None:
            oldest = next(iter(self._idle), None)
            if oldest is None:
                return False
        if oldest is not None and (is_full or has_many):
            oldest.end("further connections arrive")
        self._open.add(connection)
        return True

    def remove(self, connection: _Connection) -> None:
        """Note that *connection* is closed."""
        self._open.discard(connection)
        self.serves(connection)

    def waits(self, connection: _Connection, *, of_program: bool) -> None:
        """Note that *connection*, of a program or of a stranger, waits for a request."""
        if of_program:
            self._idle[connection] = None
        else:
            self._strangers[connection] = time.monotonic()

    def serves(self, connection: _Connection) -> None:
        """Note that *connection* does not wait any more."""
        self._strangers.pop(connection, None)
        self._idle.pop(connection, None)


class _Connection(RequestHandler):
    """One connection."""

    __slots__ = ("_connections", "_is_idle", "_is_known", "_of_program", "_serves", "_timer")

    def __init__(self, connections: Connections, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            lingering_time=_LINGERING,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
        )
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None
        #: Whether the hs_token has arrived on it, and whether that of a program has.
        self._is_known = False
        self._of_program = False
        #: Whether a request is being served, and whether a program has begun no further one.
        self._serves = False
        self._is_idle = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._connections.add(self):
            self._wait()
        else:
            self.end("there are too many")

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        self._connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._serves and (self._timer is None or self._is_idle):
            # The beginning of another request.
            self._stop_timer()
            self._start_timer(self._connections.limits.head)
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to *request*, which is not HTTP, or has failed. The connection ends with it.

        Not HTTP: it is a problem as those of the API, for the path may not be known, and the log has one line without
        the words of the request, which may be a token or a callback URL.
        """
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        _log.info("a request from %s is refused, it is not valid HTTP: %s", request.remote, type(exc).__name__)
        response = web.Response(
            status=status, text=json.dumps(_NOT_HTTP | {"status": status}), content_type="application/problem+json"
        )
        response.force_close()
        return response

    def begin(self) -> None:
        """Note that the head of a request has arrived."""
        self._serves = True
        self._stop_timer()
        self._connections.serves(self)

    def finish(self, *, authorised: bool, of_program: bool) -> None:
        """Note that the request was served; *authorised*: with the hs_token; *of_program*: with that of a program."""
        self._serves = False
        self._is_known = self._is_known or authorised
        self._of_program = self._of_program or of_program
        if self.transport is not None:
            self._wait()

    def end(self, reason: str) -> None:
        """Close the connection at once."""
        if not self._is_idle:
            _log.info("a connection from %s is closed: %s", self.peername, reason)
        self._stop_timer()
        self._connections.remove(self)
        if self.transport is not None:
            self.transport.abort()

    def _wait(self) -> None:
        if not self._is_known:
            limits = self._connections.limits
            self._connections.waits(self, of_program=self._of_program)
            self._start_timer(limits.idle if self._of_program else limits.head)
            self._is_idle = self._of_program

    def _start_timer(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self.end, f"no request within {seconds:g} s")

    def _stop_timer(self) -> None:
        self._is_idle = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@web.middleware
async def track_request(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Tell the connection of *request* when the request begins and ends."""
    connection = request.protocol
    if not isinstance(connection, _Connection):
        return await handler(request)
    connection.begin()
    try:
        return await handler(request)
    finally:
        connection.finish(authorised=request.get(AUTHORISED, False), of_program=request.get(OF_PROGRAM, False))
