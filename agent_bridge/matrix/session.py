"""The HTTP session for the homeserver. Its requests wait as long as a rate limit demands."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiohttp

from agent_bridge.core.errors import RateLimited
from agent_bridge.core.http import delay_of
from agent_bridge.core.json_pieces import load_pieces
from agent_bridge.core.observer import UNOBSERVED, RequestResult
from agent_bridge.matrix.pacing import Pacer, is_background, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientTimeout
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from agent_bridge.core.observer import Observer

_log = logging.getLogger(__name__)

#: Seconds that one request waits in all before the homeserver's 429 becomes an error.
PATIENCE = 120.0
#: Seconds to connect, and seconds from one byte of a response to the next.
_CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 120.0
#: Seconds until a request that may be repeated is repeated, the first time: less than callers give one request.
_SILENCE = 8.0
#: The waits for a response before each repetition, in units of the first one.
_REPETITIONS = (1, 2, 4)
#: Seconds until an idle connection is closed. aiohttp takes the one that was idle for longest, so that few requests in
#: a second keep this many times as many connections open.
_KEEP_ALIVE = 5.0
#: Parts of the paths with a transaction id: the homeserver carries such a request out once, however often it comes.
_WITH_TRANSACTION = ("/send/", "/redact/", "/sendToDevice/")
#: The ends of the paths of requests about keys: a key that is uploaded again is the same, and another is claimed.
_ABOUT_KEYS = ("/keys/query", "/keys/upload", "/keys/claim")
_TOO_MANY, _REFUSED, _FAILED = 429, 400, 500
#: Bytes of a response that are parsed before a thread could begin.
_SHORT = 20_000
#: Shortest wait in seconds, and the wait if the homeserver names no time.
_PAUSE, _DEFAULT = 0.1, 1.0

_waits: ContextVar[bool] = ContextVar("waits", default=True)


@contextmanager
def at_once() -> Iterator[None]:
    """Make a 429 an error at once, for requests that can be repeated later or left out."""
    token = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(token)


def retry_after(headers: Mapping[str, str], body: bytes) -> float:
    """Return the seconds that a 429 demands, at least 0.1: ``Retry-After``, else ``retry_after_ms``, else 1.

    Matrix spec, "Rate limiting".
    """
    delay = delay_of(headers.get("Retry-After"))
    if delay is None:
        milliseconds = delay_of(_retry_after_ms(body))
        delay = _DEFAULT if milliseconds is None else milliseconds / 1000
    return max(_PAUSE, delay)


def _retry_after_ms(body: bytes) -> object:
    try:
        return json.loads(body)["retry_after_ms"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


class _Response(aiohttp.ClientResponse):
    """A response whose JSON may contain events: the event loop runs while a long one is parsed."""

    async def json(self, **options: Any) -> Any:
        """Return its JSON value; that of a long response as :func:`load_pieces` does."""
        raw = await self.read()
        if len(raw) <= _SHORT or not self.ok:
            return await super().json(**options)
        return await asyncio.to_thread(load_pieces, raw)


class _WaitWhenLimited:
    """A middleware that repeats a request after a 429, until the waits exceed *patience* seconds.

    Requests of one user and kind wait one behind the other. Background work does not wait.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._pacer = Pacer()

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        user, kind = request.url.query.get("user_id", ""), kind_of(request.method, request.url.raw_path)
        if is_background() and self._pacer.is_limited(user, kind):
            raise RateLimited(self._pacer.reserve(user, kind))
        if is_background() or not _waits.get():
            response = await handler(request)
            if response.status != _TOO_MANY:
                return response
            self._pacer.limited(user, kind, retry_after(response.headers, await response.read()))
            if not is_background():
                return response
            response.release()
            raise RateLimited(self._pacer.reserve(user, kind))
        async with self._pacer.turn(user, kind, self._patience) as waited:
            return await self._patiently(request, handler, user, kind, waited)

    async def _patiently(
        self, request: ClientRequest, handler: ClientHandlerType, user: str, kind: str, waited: float
    ) -> ClientResponse:
        while True:
            response = await handler(request)
            if response.status != _TOO_MANY:
                return response
            delay = retry_after(response.headers, await response.read())
            self._pacer.limited(user, kind, delay)
            if waited + delay > self._patience:
                return response
            _log.warning("rate limited by the homeserver, waiting %.1f s: is rate_limited: false registered?", delay)
            response.release()
            await asyncio.sleep(delay)
            waited += delay


class _Connector(aiohttp.TCPConnector):
    """A pool of connections that can be emptied."""

    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=_KEEP_ALIVE)
        #: Connections that no request uses.
        self._idle: WeakSet[asyncio.Transport] = WeakSet()

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109  # the connector's own signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if (transport := connection.transport) is not None:
            self._idle.discard(transport)
            connection.add_callback(lambda: self._idle.add(transport))
        return connection

    def drop_idle(self) -> None:
        """End the connections that no request uses."""
        for transport in self._idle:
            transport.abort()
        self._idle.clear()


class _RepeatWhenSilent:
    """A middleware that repeats a request without a response, on a new connection; or ends it by :func:`limited_to`.

    A firewall or a tunnel may have dropped the connections of the pool without a word. Only requests are repeated that
    have no effect after a later request: those that read, those with a transaction id, and those about keys.
    """

    def __init__(self, connector: _Connector, silence: float) -> None:
        self._connector = connector
        self._silence = silence

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if (own := _LIMIT.get()) is not None:
            return await _within(own, request, handler)
        if _is_repeatable(request):
            for times in _REPETITIONS:
                try:
                    async with asyncio.timeout(times * self._silence) as limit:
                        return await handler(request)
                except TimeoutError:
                    if not limit.expired():
                        raise
                _log.warning("no response of the homeserver: a request is repeated on a new connection")
                self._connector.drop_idle()
        return await handler(request)


def _is_repeatable(request: ClientRequest) -> bool:
    path = request.url.raw_path
    return request.method == "GET" or path.endswith(_ABOUT_KEYS) or any(part in path for part in _WITH_TRANSACTION)


@dataclass(slots=True)
class Limit:
    """The seconds that a response may take, and whether one took longer."""

    seconds: float
    has_expired: bool = False


_LIMIT: ContextVar[Limit | None] = ContextVar("limit", default=None)


@contextmanager
def limited_to(seconds: float) -> Iterator[Limit]:
    """Let each response take *seconds* at most, within the block; the waits for a 429 do not count."""
    limit = Limit(seconds)
    token = _LIMIT.set(limit)
    try:
        yield limit
    finally:
        _LIMIT.reset(token)


async def _within(limit: Limit, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Return the response to *request*, or end it by *limit*."""
    try:
        async with asyncio.timeout(limit.seconds) as expiry:
            return await handler(request)
    except TimeoutError as error:
        if not expiry.expired():
            raise
        limit.has_expired = True
        raise aiohttp.ServerTimeoutError(f"no response within {limit.seconds:g} s") from error


class _TellObserver:
    """A middleware that tells *observer* of each request, each repetition on its own."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        begin, result = time.monotonic(), RequestResult.NO_RESPONSE
        try:
            response = await handler(request)
            result = _result_of(response.status)
        finally:
            self._observer.homeserver_request(request.method, result, time.monotonic() - begin)
        return response


def _result_of(status: int) -> RequestResult:
    if status == _TOO_MANY:
        return RequestResult.LIMITED
    if status >= _FAILED:
        return RequestResult.FAILED
    return RequestResult.REFUSED if status >= _REFUSED else RequestResult.OK


def homeserver_session(
    *,
    patience: float = PATIENCE,
    read_timeout: float = READ_TIMEOUT,
    silence: float = _SILENCE,
    observer: Observer = UNOBSERVED,
) -> aiohttp.ClientSession:
    """Return a session whose requests wait out a 429, *patience* seconds at most; within :func:`at_once` not.

    A request that can be repeated without an effect is repeated after *silence* seconds without a response, and later
    twice more. A response fails when *read_timeout* seconds pass without a byte. The waits do not count.

    *observer* hears of each request.
    """
    connector = _Connector()
    # The last one is called for each repetition that the others make.
    told = (_TellObserver(observer),) if observer.measures else ()
    return aiohttp.ClientSession(
        # No total limit: it would include the waits.
        timeout=aiohttp.ClientTimeout(connect=_CONNECT_TIMEOUT, sock_read=read_timeout),
        response_class=_Response,
        middlewares=(_WaitWhenLimited(patience), _RepeatWhenSilent(connector, silence), *told),
        connector=connector,
    )
