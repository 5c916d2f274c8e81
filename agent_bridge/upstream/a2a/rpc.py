"""Sends JSON-RPC requests to one agent, and reads the responses and the streams."""

from __future__ import annotations

import time
from contextlib import aclosing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
from pydantic import SecretStr

from agent_bridge.core.errors import UpstreamError, UpstreamProtocolError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.a2a.requests import Method
from agent_bridge.upstream.transport.client import UpstreamClient
from agent_bridge.upstream.transport.error_body import parse_error
from agent_bridge.upstream.transport.json_values import mapping, text
from agent_bridge.upstream.transport.sse import EventParser
from agent_bridge.upstream.transport.text import load_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.a2a.cards import Card, KeyPlace
    from agent_bridge.upstream.transport.errors import RequestContext

TASK_NOT_FOUND, NOT_CANCELABLE, UNSUPPORTED = -32001, -32002, -32004
NO_METHOD, BAD_PARAMETERS = -32601, -32602
_CONTENT_TYPE, _VERSION = -32005, -32009
#: Errors of requests that no agent got.
_NOT_BEGUN = frozenset({TASK_NOT_FOUND, NOT_CANCELABLE, UNSUPPORTED, NO_METHOD, BAD_PARAMETERS, -32600, -32700})
#: Seconds for a request about a task, and bytes of the response.
_TIMEOUT, _MAX_BODY = 30.0, 32 * 1024 * 1024
#: Seconds without an event after which a stream is called silent, whatever else keeps its connection alive.
_QUIET = 30.0
#: Stands for a silence among the results of a stream.
SILENCE: Mapping[str, Any] = MappingProxyType({})
_HEADER = "A2A-Version"
_BLANK = b" \t\r\n\xef\xbb\xbf"


class RpcRefused(Exception):
    """The server refused a request with the JSON-RPC error *code*. No agent got it. *error* is for people."""

    def __init__(self, code: int, error: UpstreamError) -> None:
        super().__init__()
        self.code = code
        self.error = error


class StreamFailed(Exception):
    """The server reported a failure in a stream, after its first event. *error* is for people."""

    def __init__(self, error: UpstreamError) -> None:
        super().__init__()
        self.error = error


class Rpc:
    """The endpoint of the agent of *card*."""

    def __init__(
        self, config: UpstreamConfig, card: Card, session: aiohttp.ClientSession, context: RequestContext
    ) -> None:
        self.card = card
        self.model = card.info.model
        own = _config_for(config, card)
        self._client = UpstreamClient(own, session, idempotent=False)
        #: For requests without a question.
        self._harmless = UpstreamClient(own, session, idempotent=True)
        self._context = context
        self._timeout = aiohttp.ClientTimeout(total=_TIMEOUT, connect=config.connect_timeout)
        self._quiet = min(_QUIET, config.idle_timeout)
        self._long_timeout = aiohttp.ClientTimeout(connect=config.connect_timeout, sock_read=config.idle_timeout)

    @property
    def upstream(self) -> str:
        """The upstream's name."""
        return self._client.errors.upstream

    def redacted(self, words: str) -> str | None:
        """Return *words* of the agent about a failure, shortened and without keys; None without any."""
        return parse_error(words).redacted(self._client.errors.secrets)

    async def call(self, method: Method, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call *method*, and return its result, which is an object.

        Raises:
            RpcRefused: see there.
            UpstreamError: the request failed, or the response is none of JSON-RPC.
        """
        async with aclosing(self._results(method, params)) as results:
            async for each in results:
                return each
        raise UpstreamProtocolError(Text("a2a_no_result", upstream=self.upstream))

    async def stream(self, method: Method, params: Mapping[str, Any]) -> AsyncGenerator[Mapping[str, Any], None]:
        """Call *method*, and yield its results as they arrive. The stream may end, or be cut, at any time.

        After the first result, :data:`SILENCE` stands for each long time in which nothing but signs of life arrives.

        Raises:
            RpcRefused: see there; before the first result only.
            StreamFailed: see there.
            UpstreamError: the request failed, or a result is none of JSON-RPC.
        """
        async with aclosing(self._results(method, params)) as results:
            async for each in results:
                yield each

    async def _results(self, method: Method, params: Mapping[str, Any]) -> AsyncGenerator[Mapping[str, Any], None]:
        card, request_id = self.card, uuid4().hex
        dialect, tenant = card.dialect, {"tenant": card.tenant} if card.tenant else {}
        body = {
            "jsonrpc": "2.0",
            "id": request_id,
            "method": dialect.name(method),
            "params": {**params, **tenant},
        }
        asks = method in (Method.SEND, Method.STREAM)
        streams = method in (Method.STREAM, Method.SUBSCRIBE)
        accept = "text/event-stream, application/json" if streams else "application/json"
        try:
            async with (self._client if asks else self._harmless).open(
                "POST",
                "",
                self._long_timeout if asks or streams else self._timeout,
                headers={_HEADER: dialect.version, "Accept": accept},
                json=body,
                context=self._context,
                own_connection=asks or streams,
            ) as response:
                begun = False
                head = b""
                while not head.strip(_BLANK) and (data := await response.read_some()):
                    head += data[: _MAX_BODY - len(head)]
                    if len(head) >= _MAX_BODY:
                        break
                if head.lstrip(_BLANK).startswith((b"{", b"[")):
                    rest = await response.read_all(_MAX_BODY)
                    yield self._result(head + rest, request_id, begun=False)
                    return
                parser, data, heard = EventParser(), head, time.monotonic()
                while True:
                    for event in parser.feed(data) if data else parser.close():
                        yield self._result(event.data, request_id, begun=begun)
                        begun, heard = True, time.monotonic()
                    if not data:
                        break
                    if begun and time.monotonic() - heard > self._quiet:
                        yield SILENCE
                        heard = time.monotonic()
                    data = await response.read_some()
                if not begun and (parser.stray_line or not streams):
                    raise UpstreamProtocolError(
                        Text("a2a_no_result", upstream=self.upstream), detail=self.redacted(parser.stray_line)
                    )
        except UpstreamError as error:
            raise self._refused(error) from None

    def _result(self, raw: bytes | str, request_id: str, *, begun: bool) -> Mapping[str, Any]:
        """Return the result in a response."""
        try:
            value = mapping(load_json(raw))
        except ValueError:
            value = {}
        if isinstance(value.get("error"), dict):
            raise self._failure(value["error"], begun=begun)
        if not isinstance(value.get("result"), dict):
            raise UpstreamProtocolError(Text("a2a_no_result", upstream=self.upstream))
        if str(value.get("id")) != request_id:
            raise UpstreamProtocolError(Text("a2a_wrong_id", upstream=self.upstream))
        result: Mapping[str, Any] = value["result"]
        return result

    def _failure(self, error: Mapping[str, Any], *, begun: bool) -> Exception:
        """Return the exception for a JSON-RPC error."""
        code, report = error.get("code"), parse_error(text(error.get("message")))
        detail = report.redacted(self._client.errors.secrets)
        if code == _VERSION:
            return RpcRefused(code, UpstreamRefused(Text("a2a_version", upstream=self.upstream), detail=detail))
        if code == _CONTENT_TYPE:
            return RpcRefused(code, UpstreamRefused(Text("a2a_content", upstream=self.upstream), detail=detail))
        if isinstance(code, int) and code in _NOT_BEGUN and not begun:
            return RpcRefused(code, UpstreamRefused(Text("answer_problem", upstream=self.upstream), detail=detail))
        failure = self._client.errors.from_answer(report, begun=begun)
        return StreamFailed(failure) if begun else failure

    def _refused(self, error: UpstreamError) -> Exception:
        """Return the exception for *error*; some servers give a JSON-RPC error another status than 200."""
        try:
            found = mapping(mapping(load_json(error.body)).get("error")) if error.body else {}
        except ValueError:
            found = {}
        code = found.get("code")
        if isinstance(code, int) and (code in _NOT_BEGUN or code in (_CONTENT_TYPE, _VERSION)):
            return self._failure(found, begun=False)
        return error


def _config_for(config: UpstreamConfig, card: Card) -> UpstreamConfig:
    """Return *config* for requests to the agent of *card*, with the key at its place."""
    changes: dict[str, Any] = {"url": card.url}
    if card.key is not None and config.api_key is not None:
        changes |= {"api_key": None, **_placed(config, card.key, config.api_key.get_secret_value())}
    return config.model_copy(update=changes)


def _placed(config: UpstreamConfig, place: KeyPlace, key: str) -> dict[str, Any]:
    match place.kind:
        case "header":
            return {"headers": {place.name: SecretStr(key), **config.headers}}
        case "query":
            return {"query": {place.name: SecretStr(key), **config.query}}
        case "cookie":
            return {"headers": {"Cookie": SecretStr(f"{place.name}={key}"), **config.headers}}
