"""Sends HTTP requests to one upstream, and raises the errors of the bridge when they fail."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING

import aiohttp
from multidict import CIMultiDict

from agent_bridge.core.errors import (
    AnswerInterrupted,
    TooLarge,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from agent_bridge.core.http import read_bounded
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.errors import ErrorMapper, ErrorResponse, RequestContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from agent_bridge.config.upstreams import UpstreamConfig

#: Bytes that :meth:`ResponseBody.read_all` accepts by default.
_MAX_BODY = 32 * 1024 * 1024
#: Bytes that :meth:`ResponseBody.read_head` reads: the message of an error report is among the first few.
_MAX_ERROR_BODY = 64 * 1024
#: Bytes of a line of the head of a response.
_MAX_HEAD = 64 * 1024

_AGENT_LIST, _WEBSOCKET = RequestContext(), RequestContext("")
_OWN_PORT = re.compile(r"\w+://[^/]*:(?!443(?:/|\Z))\d+(?:/|\Z)")
#: Reasons of TLS for a server that answers in another protocol.
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
#: Characters of a part of a header that may be a token.
_TOKEN = 12


class ResponseBody:
    """The body of a response, read as it arrives."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        errors: ErrorMapper,
        timeout: aiohttp.ClientTimeout,
        context: RequestContext,
    ) -> None:
        self._response = response
        self._errors = errors
        self._timeout = timeout
        self._context = context

    @property
    def not_modified(self) -> bool:
        """Whether the resource is the same as the one with the requested ``If-None-Match``."""
        return self._response.status == HTTPStatus.NOT_MODIFIED

    @property
    def etag(self) -> str | None:
        """The ``ETag`` header, None without one."""
        return self._response.headers.get("ETag")

    async def read_some(self, patience: float | None = None) -> bytes:
        """Return the next bytes as soon as some arrive, empty at the end of the body.

        *patience* is the number of seconds after which the body counts as ended; None: it does not.

        Raises:
            AnswerInterrupted: the connection was cut, or no byte arrived within the timeout.
        """
        try:
            async with asyncio.timeout(patience) as wait:
                return await self._response.content.readany()
        except TimeoutError:
            if wait.expired():
                return b""
            cause = _timed_out(self._errors.upstream, self._timeout)
        except (aiohttp.ClientError, OSError):
            cause = Text("upstream_cut", upstream=self._errors.upstream)
        raise self._errors.interrupted(cause, self._context)

    async def read_all(self, limit: int = _MAX_BODY) -> bytes:
        """Return the whole body, of *limit* bytes at most.

        Raises:
            AnswerInterrupted: as in :meth:`read_some`.
            UpstreamProtocolError: the body is too large.
        """
        try:
            return await read_bounded(self._chunks(), limit)
        except TooLarge as error:
            text = Text("upstream_bytes", upstream=self._errors.upstream, limit=error.limit)
            raise UpstreamProtocolError(text) from None

    async def read_head(self) -> bytes:
        """Return the beginning of the body, long enough for an error report; less if the connection is cut."""
        head = bytearray()
        with suppress(AnswerInterrupted):
            while len(head) < _MAX_ERROR_BODY and (data := await self.read_some()):
                head += data
        return bytes(head)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while data := await self.read_some():
            yield data


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Raise :class:`aiohttp.WSServerHandshakeError` for a redirect, which aiohttp would follow with all headers."""
    response = await handler(request)
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info, response.history, status=response.status, headers=response.headers
        )
    return response


class UpstreamClient:
    """Sends the requests of one upstream, each once; *idempotent* tells whether a repeated question is harmless."""

    def __init__(self, config: UpstreamConfig, session: aiohttp.ClientSession, *, idempotent: bool) -> None:
        self._session = session
        self._url = config.url
        self._has_tls = config.url.lower().startswith("https:")
        self._has_own_tls_port = self._has_tls and _OWN_PORT.match(config.url) is not None
        self._headers: CIMultiDict[str] = CIMultiDict()
        secrets: list[str] = []
        if config.api_key is not None:
            secrets.append(config.api_key.get_secret_value())
            self._headers["Authorization"] = f"Bearer {secrets[0]}"
        for name, value in config.headers.items():
            # A server may repeat the value without the scheme before it.
            secrets.append(value.get_secret_value())
            secrets += [part for part in secrets[-1].split() if len(part) >= _TOKEN]
            self._headers[name] = value.get_secret_value()
        self._query = {name: value.get_secret_value() for name, value in config.query.items()}
        secrets += self._query.values()
        self._proxy = config.proxy
        self._ca_file = config.ca_file
        self.errors = ErrorMapper(config.name, tuple(secrets), idempotent)

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's own, one for each phase
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        params: Mapping[str, str] = MappingProxyType({}),
        json: Mapping[str, object] | None = None,
        data: aiohttp.FormData | None = None,
        context: RequestContext = _AGENT_LIST,
        own_connection: bool = False,
    ) -> AsyncGenerator[ResponseBody, None]:
        """Send a request to *path* below the upstream's URL, and give the body of the response.

        Leaving the context early closes the connection. With *own_connection*, the request has a new connection: the
        server may close a connection of the pool at the same moment, and then the request may have arrived or not. A
        redirect is an error: following it would send a question twice, and the key to another server.

        Raises:
            UpstreamError: no response arrived, or its status is not a success. *context* decides which error.
        """
        merged = self._headers.copy()
        merged.update(headers)
        async with self._session_for(own_connection=own_connection) as session:
            try:
                response = await session.request(
                    method,
                    self._url + path,
                    params={**self._query, **params},
                    json=json,
                    data=data,
                    headers=merged,
                    timeout=timeout,
                    allow_redirects=False,
                    proxy=self._proxy,
                    max_line_size=_MAX_HEAD,
                    max_field_size=_MAX_HEAD,
                    ssl=self._ssl,
                )
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                # aiohttp's errors contain the headers of the request: a log of the chain would show the key.
                raise self._no_response(error, timeout, context) from None
            async with response:
                body = ResponseBody(response, self.errors, timeout, context)
                expected = body.not_modified and "If-None-Match" in headers
                if response.status >= HTTPStatus.MULTIPLE_CHOICES and not expected:
                    raise await self._refusal(response, body, context)
                yield body

    @asynccontextmanager
    async def websocket(
        self, path: str, *, connect: float, heartbeat: float, max_bytes: int
    ) -> AsyncGenerator[aiohttp.ClientWebSocketResponse, None]:
        """Open a WebSocket at *path* below the upstream's URL, and give it. Leaving the context closes it.

        *connect* is a limit in seconds. The server has to answer a ping every *heartbeat* seconds within half of them.
        The WebSocket ends at a message of more than *max_bytes*. A redirect is an error, as with :meth:`open`.

        Raises:
            UpstreamError: the WebSocket was not opened.
        """
        timeout = aiohttp.ClientTimeout(total=connect, connect=connect)
        connector = self._session.connector
        async with aiohttp.ClientSession(
            connector=connector, connector_owner=False, middlewares=(_refuse_redirects,)
        ) as session:
            try:
                async with asyncio.timeout(connect):
                    socket = await session.ws_connect(
                        self._url + path,
                        params=self._query,
                        headers=self._headers,
                        heartbeat=heartbeat,
                        max_msg_size=max_bytes,
                        proxy=self._proxy,
                        ssl=self._ssl,
                    )
            except aiohttp.WSServerHandshakeError as error:
                failed = ErrorResponse(error.status, error.headers or {}, b"")
                raise self.errors.from_handshake(failed, datetime.now(UTC)) from None
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                failure = self._no_response(error, timeout, _WEBSOCKET)
                # No question was sent.
                failure.retryable = failure.not_begun = isinstance(failure, UpstreamUnreachable)
                raise failure from None
            async with socket:
                yield socket

    @asynccontextmanager
    async def _session_for(self, *, own_connection: bool) -> AsyncGenerator[aiohttp.ClientSession, None]:
        if not own_connection:
            yield self._session
            return
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session

    @cached_property
    def _ssl(self) -> ssl.SSLContext | bool:
        """The certificates that are trusted; True: those of the system.

        Raises:
            UpstreamRefused: the file with certificates cannot be read.
        """
        if self._ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self._ca_file))
        except OSError as error:
            text = Text("upstream_ca_file", upstream=self.errors.upstream)
            raise UpstreamRefused(text, detail=error.strerror or str(error)) from None

    async def _refusal(
        self, response: aiohttp.ClientResponse, body: ResponseBody, context: RequestContext
    ) -> UpstreamError:
        """Return the error for a *response* that is no success."""
        failed = ErrorResponse(response.status, response.headers, await body.read_head())
        failure = self.errors.from_response(failed, datetime.now(UTC), context)
        failure.status, failure.body = failed.status, failed.body
        return failure

    def _no_response(self, error: Exception, timeout: aiohttp.ClientTimeout, context: RequestContext) -> UpstreamError:
        """Return the error for a request that got no response."""
        upstream, tells_scheme = self.errors.upstream, context == _AGENT_LIST
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            # A server without TLS may wait for the rest of a request.
            name = "upstream_perhaps_http" if tells_scheme and self._has_own_tls_port else "upstream_away_within"
            return UpstreamUnreachable(Text(name, upstream=upstream, seconds=timeout.connect))
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
            return self._not_connected(error)
        if isinstance(error, ValueError):
            return UpstreamRefused(Text("upstream_unusable", upstream=upstream))
        if isinstance(error, aiohttp.ClientResponseError):
            if "content-encoding" in error.message:
                return UpstreamProtocolError(Text("upstream_encoding", upstream=upstream), detail=error.message)
            name = "upstream_perhaps_https" if tells_scheme and not self._has_tls else "upstream_no_http"
            return UpstreamProtocolError(Text(name, upstream=upstream))
        slow = isinstance(error, TimeoutError)
        name = "upstream_perhaps_https" if tells_scheme and not self._has_tls else "upstream_closed"
        failure = UpstreamUnreachable(_timed_out(upstream, timeout) if slow else Text(name, upstream=upstream))
        # The question may have arrived.
        failure.retryable = self.errors.may_repeat(context)
        failure.not_begun = False
        return failure

    def _not_connected(
        self, error: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError
    ) -> UpstreamError:
        """Return the error for a connection that was not made."""
        upstream = self.errors.upstream
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return UpstreamRefused(Text("upstream_certificate", upstream=upstream), detail=_words(error))
        if getattr(error.os_error, "reason", None) in _NO_TLS:
            return UpstreamRefused(Text("upstream_no_tls", upstream=upstream))
        return UpstreamUnreachable(Text("upstream_away", upstream=upstream), detail=_reason(error))


def _words(error: aiohttp.ClientConnectorCertificateError) -> str:
    """Return the reason why a certificate is not trusted."""
    cause = error.certificate_error
    return getattr(cause, "verify_message", "") or str(cause)


def _timed_out(upstream: str, timeout: aiohttp.ClientTimeout) -> Text:
    if timeout.total is not None:
        return Text("upstream_slow", upstream=upstream, seconds=timeout.total)
    return Text("upstream_silent", upstream=upstream, seconds=timeout.sock_read)


def _reason(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    if cause.errno is not None and cause.errno > 0 and not isinstance(error, aiohttp.ClientSSLError):
        return os.strerror(cause.errno)
    return cause.strerror or str(cause)
