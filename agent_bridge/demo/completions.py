"""The wire of an OpenAI-compatible server: requests in, answers and errors out."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from agent_bridge.demo.characters import Mishap, Talk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from agent_bridge.demo.characters import Character

_WORDS_BEFORE_MISHAP = 6


class Refusal(Exception):
    """The request is answered with an error in the API's shape."""

    def __init__(
        self,
        message: str,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        *,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a :class:`Refusal` into its answer."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return web.json_response(refusal.body, status=refusal.status)


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the request's body.

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


def talk(messages: Any) -> Talk:
    """Return what the person said in *messages* of a chat completion.

    Raises:
        Refusal: they hold no message of a person, or are none.
    """
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise Refusal("messages must be a list of objects", param="messages")
    said = [_text(message.get("content")) for message in messages if message.get("role") == "user"]
    if not said:
        raise Refusal("messages must hold one with the role user", param="messages")
    return Talk(said[-1], tuple(said[:-1]))


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


async def performance(character: Character, said: Talk, pace: float) -> AsyncIterator[dict[str, Any]]:
    """Yield what *character* answers, as deltas of the API, a word at a time; with *pace* 0 each text is in one."""
    words = _words(character.answer(said))
    if character.mishap(said):
        words = words[:_WORDS_BEFORE_MISHAP]
    for key, spoken in (("reasoning_content", _words(character.thoughts(said))), ("content", words)):
        for piece in spoken if pace else ["".join(spoken)]:
            await asyncio.sleep(pace * character.pace)
            if piece:
                yield {key: piece}
    picture = character.picture(said)
    if picture is not None:
        url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        yield {"images": [{"type": "image_url", "image_url": {"url": url}}]}


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*", text)


class Completion:
    """One answer of the agent *model*, which gives *deltas* and then, perhaps, comes to grief."""

    def __init__(self, model: str, deltas: AsyncIterator[dict[str, Any]], mishap: Mishap | None) -> None:
        self._head = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model}
        self._deltas = deltas
        self._mishap = mishap

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer *request* with server-sent events, a chunk for each delta."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        await self._send(response, self._chunk({"role": "assistant"}))
        async for delta in self._deltas:
            await self._send(response, self._chunk(delta))
        if self._mishap is Mishap.CUT:
            _hang_up(request)
        elif self._mishap is Mishap.FAILS:
            await self._send(response, _failure().body)
        else:
            await self._send(response, self._chunk({}, "stop"))
            await response.write(b"data: [DONE]\n\n")
        return response

    async def whole(self, request: web.Request) -> web.StreamResponse:
        """Answer *request* in one piece.

        Raises:
            Refusal: the agent failed.
        """
        message: dict[str, Any] = {"role": "assistant"}
        async for delta in self._deltas:
            for key, piece in delta.items():
                message[key] = message[key] + piece if key in message else piece
        if self._mishap is Mishap.CUT:
            _hang_up(request)
        elif self._mishap is Mishap.FAILS:
            raise _failure()
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(self._head | {"object": "chat.completion", "choices": [choice]})

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return self._head | {"object": "chat.completion.chunk", "choices": [choice]}

    async def _send(self, response: web.StreamResponse, event: dict[str, Any]) -> None:
        await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")


def _failure() -> Refusal:
    return Refusal("the agent failed, as it was asked to", HTTPStatus.INTERNAL_SERVER_ERROR, code="agent_failed")


def _hang_up(request: web.Request) -> None:
    if request.transport:
        request.transport.close()
