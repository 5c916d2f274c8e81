"""An HTTP server on 127.0.0.1 that speaks the OpenAI API. A subclass provides the agents and their answers.

It serves ``GET /v1/models`` and ``POST /v1/chat/completions``, streamed and in one piece, and it can fail on purpose in
the ways in which real servers fail.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self
from uuid import uuid4

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType

    from aiohttp.typedefs import Handler

#: Bytes of a request, which may contain images.
_MAX_BODY = 64 * 1024 * 1024
#: Seconds that the server waits for open requests when it stops.
_SHUTDOWN = 0.1


class LocalServer:
    """Serves *app* on 127.0.0.1 while it is entered. *port* 0 chooses a free port.

    A request is cancelled when its client goes away or the server stops.
    """

    def __init__(self, app: web.Application, *, port: int = 0) -> None:
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN)
        self._port = port

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def root_url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """The base URL of the OpenAI API."""
        return f"{self.root_url}/v1"


class Refusal(Exception):
    """An error report in the API's shape: the response to a request, or the end of a stream that has begun."""

    def __init__(
        self,
        message: str,
        status: int = HTTPStatus.BAD_REQUEST,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        self.status = status
        self.headers = headers
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


class HangUp(Exception):
    """The connection ends here."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of an agent's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in an answer."""

    url: str


class AnswerFormat(Protocol):
    """The JSON of one answer in one dialect of the API."""

    def begin(self) -> dict[str, Any]:
        """Return the first event of the stream."""

    def events(self, piece: object) -> list[dict[str, Any]]:
        """Return the events for the next piece."""

    def end(self) -> dict[str, Any]:
        """Return the last event of the stream."""

    def whole(self, pieces: Sequence[object]) -> dict[str, Any]:
        """Return the response that contains all pieces."""


class ChatFormat:
    """A chat completion of the agent *model*. Its pieces are texts, :class:`Reasoning` and :class:`Picture`.

    An empty text begins the response and sends nothing.
    """

    def __init__(self, model: str) -> None:
        self.finish_reason = "stop"
        self._head = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model}

    def begin(self) -> dict[str, Any]:
        """See :class:`AnswerFormat`."""
        return self._chunk({"role": "assistant"})

    def events(self, piece: object) -> list[dict[str, Any]]:
        """See :class:`AnswerFormat`."""
        return [self._chunk(self.delta(piece))] if piece != "" else []

    def end(self) -> dict[str, Any]:
        """See :class:`AnswerFormat`."""
        return self._chunk({}, self.finish_reason)

    def whole(self, pieces: Sequence[object]) -> dict[str, Any]:
        """See :class:`AnswerFormat`."""
        message: dict[str, Any] = {"role": "assistant"}
        for piece in pieces:
            for key, value in self.delta(piece).items():
                message[key] = message[key] + value if key in message else value
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        return self._head | {"object": "chat.completion", "choices": [choice]}

    def delta(self, piece: object) -> dict[str, Any]:
        """Return the ``delta`` of the chunk for *piece*."""
        match piece:
            case str():
                return {"content": piece}
            case Reasoning(text):
                return {"reasoning_content": text}
            case Picture(url):
                return {"images": [{"type": "image_url", "image_url": {"url": url}}]}
        raise TypeError(f"not a piece of an answer: {piece!r}")

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return self._head | {"object": "chat.completion.chunk", "choices": [choice]}


def sse(events: Sequence[Mapping[str, Any]]) -> bytes:
    """Return *events* as server-sent events."""
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


class OpenAIServer(LocalServer, ABC):
    """Serves the API. It refuses a request that raises :class:`Refusal`, and closes one that raises :class:`HangUp`."""

    def __init__(self, *, port: int = 0) -> None:
        app = web.Application(client_max_size=_MAX_BODY, middlewares=[_refusals])
        app.add_routes(self.routes())
        super().__init__(app, port=port)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the server."""
        return [web.get("/v1/models", self.list_models), web.post("/v1/chat/completions", self.chat_completions)]

    @abstractmethod
    def model_list(self) -> Sequence[Mapping[str, Any]]:
        """Return the entries of the list of models."""

    @abstractmethod
    def chat_format(self, model: str) -> AnswerFormat:
        """Return the format of an answer of *model*."""

    @abstractmethod
    def reply(self, question: Mapping[str, Any]) -> AsyncIterator[object]:
        """Yield the answer to the body of a request.

        Raises:
            Refusal: the agent does not answer, or fails in the middle of its answer.
            HangUp: the connection is cut.
        """

    async def list_models(self, _request: web.Request) -> web.Response:
        """Answer ``GET /v1/models``."""
        return web.json_response({"object": "list", "data": list(self.model_list())})

    async def chat_completions(self, request: web.Request) -> web.StreamResponse:
        """Answer ``POST /v1/chat/completions``."""
        question = await json_object(request)
        return await self.respond(request, question, self.chat_format(str(question.get("model"))))

    async def respond(
        self, request: web.Request, question: Mapping[str, Any], answer_format: AnswerFormat
    ) -> web.StreamResponse:
        """Answer *request*, whose body is *question*, in *answer_format*."""
        if question.get("stream"):
            return await self._stream(request, self.reply(question), answer_format)
        try:
            return web.json_response(answer_format.whole([piece async for piece in self.reply(question)]))
        except HangUp:
            return _cut(request, web.Response())

    async def _stream(
        self, request: web.Request, pieces: AsyncIterator[object], answer_format: AnswerFormat
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        # The client may be gone.
        with suppress(ConnectionResetError):
            try:
                async for piece in pieces:
                    await _begin(request, response, answer_format)
                    await response.write(sse(answer_format.events(piece)))
                await _begin(request, response, answer_format)
                await response.write(sse([answer_format.end()]) + b"data: [DONE]\n\n")
            except HangUp:
                return _cut(request, response)
            except Refusal as refusal:
                if not response.prepared:
                    raise
                await response.write(sse([refusal.body]))
        return response


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return web.json_response(refusal.body, status=refusal.status, headers=refusal.headers)


async def _begin(request: web.Request, response: web.StreamResponse, answer_format: AnswerFormat) -> None:
    """Send the head of *response* and its first event, unless that was done."""
    if not response.prepared:
        await response.prepare(request)
        await response.write(sse([answer_format.begin()]))


def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection of *request*, so that *response* does not reach the client, or not whole."""
    if request.transport:
        request.transport.close()
    return response


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the body of *request*.

    Raises:
        Refusal: it is not a JSON object.
    """
    try:
        body = await request.json()
    except ValueError:
        raise Refusal("the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refusal("the body is not a JSON object")
    return body
