"""HTTP towards one upstream, and what goes wrong with it in the bridge's own errors."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING

import aiohttp
from multidict import CIMultiDict

from agent_bridge.core.errors import (
    AnswerInterrupted,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.failures import ErrorResponse, Failures, RequestContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from agent_bridge.config.model import UpstreamConfig

#: Bytes of a body that is read whole, at most.
_MAX_BODY = 32 * 1024 * 1024
#: Bytes that are read of a body that tells of a failure; the words are in the first few.
_MAX_ERROR_BODY = 64 * 1024

_LIST = RequestContext()


class Body:
    """What comes behind the head of an answer."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        failures: Failures,
        timeout: aiohttp.ClientTimeout,
        about: RequestContext,
    ) -> None:
        self._response = response
        self._failures = failures
        self._timeout = timeout
        self._about = about

    @property
    def media_type(self) -> str:
        """Its ``Content-Type`` without parameters."""
        return self._response.content_type

    async def read_some(self) -> bytes:
        """Return the bytes that came next, none at the end.

        Raises:
            AnswerBroken: the connection was cut, or was silent for too long.
        """
        try:
            return await self._response.content.readany()
        except TimeoutError:
            raise self._failures.cut(_too_slow(self._failures.who, self._timeout), self._about) from None
        except (aiohttp.ClientError, OSError):
            raise self._failures.cut(Text("upstream_cut", who=self._failures.who), self._about) from None

    async def read_all(self) -> bytes:
        """Return all of it.

        Raises:
            AnswerBroken: as :meth:`read_some`.
            UpstreamNonsense: it is too large to make sense.
        """
        body = bytearray()
        while data := await self.read_some():
            body += data
            if len(body) > _MAX_BODY:
                raise UpstreamProtocolError(Text("upstream_bytes", who=self._failures.who, limit=_MAX_BODY))
        return bytes(body)

    async def read_head(self) -> bytes:
        """Return its first bytes, as many as arrive: enough for the words of a failure."""
        body = bytearray()
        with suppress(AnswerInterrupted):
            while len(body) < _MAX_ERROR_BODY and (data := await self.read_some()):
                body += data
        return bytes(body)


class UpstreamClient:
    """Sends the requests of one upstream, each once; *idempotent* says whether it makes a repeat harmless."""

    def __init__(self, config: UpstreamConfig, session: aiohttp.ClientSession, *, idempotent: bool) -> None:
        self._session = session
        self._url = config.url
        self._headers: CIMultiDict[str] = CIMultiDict()
        secrets: list[str] = []
        if config.api_key is not None:
            secrets.append(config.api_key.get_secret_value())
            self._headers["Authorization"] = f"Bearer {secrets[0]}"
        for name, value in config.headers.items():
            secrets.append(value.get_secret_value())
            self._headers[name] = value.get_secret_value()
        self.failures = Failures(config.name, tuple(secrets), idempotent)

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
        about: RequestContext = _LIST,
    ) -> AsyncGenerator[Body, None]:
        """Send a request and give the body of its answer; leaving early closes the connection.

        A redirect is a failure: behind it a question would be sent twice, and the key to somebody else.

        Raises:
            UpstreamError: there is no answer, or it is not a success; *about* chooses the words.
        """
        merged = self._headers.copy()
        merged.update(headers)
        try:
            response = await self._session.request(
                method,
                self._url + path,
                params=params,
                json=json,
                data=data,
                headers=merged,
                timeout=timeout,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            # aiohttp's errors show the headers of the request, and so the key, to whoever logs the chain.
            raise self._no_answer(error, timeout, about) from None
        async with response:
            body = Body(response, self.failures, timeout, about)
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                failed = ErrorResponse(response.status, response.headers, await body.read_head())
                raise self.failures.of_response(failed, datetime.now(UTC), about)
            yield body

    def _no_answer(self, error: Exception, timeout: aiohttp.ClientTimeout, about: RequestContext) -> UpstreamError:
        who = self.failures.who
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return UpstreamUnreachable(Text("upstream_away_within", who=who, seconds=timeout.connect))
        if isinstance(error, aiohttp.ClientConnectorError):
            return UpstreamUnreachable(Text("upstream_away", who=who), detail=_reason(error))
        if isinstance(error, ValueError):
            return UpstreamRefused(Text("upstream_unusable", who=who))
        if isinstance(error, aiohttp.ClientResponseError):
            return UpstreamProtocolError(Text("upstream_no_http", who=who))
        slow = isinstance(error, TimeoutError)
        failure = UpstreamUnreachable(_too_slow(who, timeout) if slow else Text("upstream_closed", who=who))
        # The question may have arrived.
        failure.retryable = self.failures.harmless(about)
        return failure


def _too_slow(who: str, timeout: aiohttp.ClientTimeout) -> Text:
    if timeout.total is not None:
        return Text("upstream_slow", who=who, seconds=timeout.total)
    return Text("upstream_silent", who=who, seconds=timeout.sock_read)


def _reason(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    if cause.errno is not None and cause.errno > 0 and not isinstance(error, aiohttp.ClientSSLError):
        return os.strerror(cause.errno)
    return cause.strerror or str(cause)
