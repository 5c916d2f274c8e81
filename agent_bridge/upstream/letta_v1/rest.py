"""Sends the requests of Letta's REST API, version 1, and reads its responses."""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_bridge.core.errors import UpstreamError, UpstreamProtocolError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.errors import RequestContext
from agent_bridge.upstream.transport.json_values import mapping, text
from agent_bridge.upstream.transport.text import load_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.transport.client import ResponseBody, UpstreamClient
    from agent_bridge.upstream.transport.errors import ErrorMapper

_PREFIX = "/v1"
#: Without this header, the server answers in the form of its oldest clients, and refuses to stream.
_HEADERS = MappingProxyType({"X-Stainless-Package-Version": "1.12.1"})
#: Seconds for a request without a stream.
_TIMEOUT = 30.0
_PENDING = "PENDING_APPROVAL"
#: The words of a server without Redis, and of an answer that fails because a request for approval is undecided.
_NO_BACKGROUND, _WAITS = "requires redis", "waiting for approval"
_CONVERSATION = "conversation"


class Rest:
    """The API of one server, which *client* reaches."""

    def __init__(self, config: UpstreamConfig, client: UpstreamClient) -> None:
        self._client = client
        # People copy the base URL with or without the version.
        self._prefix = "" if config.url.rstrip("/").endswith(_PREFIX) else _PREFIX
        self._timeout = aiohttp.ClientTimeout(total=_TIMEOUT, connect=config.connect_timeout)
        self._stream_timeout = aiohttp.ClientTimeout(connect=config.connect_timeout, sock_read=config.idle_timeout)

    @property
    def errors(self) -> ErrorMapper:
        """Makes the errors of this upstream."""
        return self._client.errors

    async def raw(self, path: str, params: Mapping[str, str]) -> bytes:
        """Return the body of a ``GET`` for the list of agents.

        Raises:
            UpstreamError: there is no such body.
        """
        try:
            async with self._client.open(
                "GET", self._prefix + path, self._timeout, headers=_HEADERS, params=params
            ) as body:
                return await body.read_all()
        except UpstreamRefused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raise UpstreamRefused(no_rest(self.errors.upstream, HTTPStatus.NOT_FOUND)) from None

    async def request(
        self,
        method: str,
        path: str,
        *,
        model: str = "",
        params: Mapping[str, str] = MappingProxyType({}),
        json: Mapping[str, object] | None = None,
    ) -> Any:
        """Send a request on behalf of the agent *model*, and return the JSON of the response.

        Raises:
            UpstreamError: the response is no success, or no JSON.
        """
        async with self._client.open(
            method,
            self._prefix + path,
            self._timeout,
            headers=_HEADERS,
            params=params,
            json=json,
            context=RequestContext(model),
            own_connection=method != "GET",
        ) as body:
            return parse(await body.read_all(), self.errors.upstream)

    @asynccontextmanager
    async def stream(
        self, path: str, json: Mapping[str, object], context: RequestContext
    ) -> AsyncGenerator[ResponseBody, None]:
        """Send *json*, and give the stream of events that is the response.

        Raises:
            UpstreamError: the response is no success.
        """
        async with self._client.open(
            "POST",
            self._prefix + path,
            self._stream_timeout,
            headers=_HEADERS,
            json=json,
            context=context,
            own_connection=True,
        ) as body:
            yield body


def no_rest(upstream: str, status: int) -> Text:
    """Return the cause for a server whose list of agents is missing, or is something else."""
    return Text("list_no_rest", upstream=upstream, status=int(status))


def parse(body: bytes, upstream: str) -> Any:
    """Return the value of a JSON document.

    Raises:
        UpstreamProtocolError: *body* is no JSON.
    """
    try:
        return load_json(body)
    except ValueError:
        raise UpstreamProtocolError(Text("answer_no_json", upstream=upstream)) from None


def pending_request(error: UpstreamError) -> str | None:
    """Return the id of the undecided request for approval because of which the server refuses a message.

    None: *error* has another cause.
    """
    detail = mapping(_detail(error))
    if error.status == HTTPStatus.CONFLICT and detail.get("code") == _PENDING:
        return text(detail.get("pending_request_id"))
    return None


def busy_run(error: UpstreamError) -> str | None:
    """Return the id of the run that occupies the conversation, empty if it is not named.

    None: *error* has another cause.
    """
    if error.status != HTTPStatus.CONFLICT or pending_request(error) is not None:
        return None
    return text(_report(error).get("run_id"))


def lacks_background(error: UpstreamError) -> bool:
    """Tell whether the server refuses to answer in the background because it has no Redis."""
    is_away = error.status == HTTPStatus.SERVICE_UNAVAILABLE
    return is_away and _NO_BACKGROUND in error.body.decode("utf-8", "replace").lower()


def lacks_conversation(error: UpstreamError) -> bool:
    """Tell whether the server does not know the conversation. Its agent may exist."""
    words = text(_detail(error)).lower()
    return error.status == HTTPStatus.NOT_FOUND and words.startswith(_CONVERSATION)


def waits_for_approval(words: str) -> bool:
    """Tell whether an error inside a stream says that a request for approval is undecided."""
    return _WAITS in words.lower()


def _detail(error: UpstreamError) -> Any:
    return _report(error).get("detail")


def _report(error: UpstreamError) -> Mapping[str, Any]:
    try:
        return mapping(load_json(error.body))
    except ValueError:
        return {}
