"""A language model that echoes, behind the OpenAI API: what a real agent server needs to have behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType

MODEL = "fake-1"
THOUGHT = "Let me think."
ARGUMENTS = '{"command":"echo done","description":"x"}'
_CALL = {"index": 0, "type": "function", "function": {"name": "Bash", "arguments": ARGUMENTS}}


class FakeLLM:
    """Listens on 127.0.0.1 while it is entered. It answers ``Echo: <the last text of the last user message>``.

    Told to think, it streams a thought first; told to use a tool, it has ``Bash`` echo a word first.
    """

    def __init__(self) -> None:
        #: The bodies of the questions it got.
        self.asked: list[Any] = []
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        self._port = 0

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _models(self, _request: web.Request) -> web.Response:
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "tests"}
        return web.json_response({"object": "list", "data": [model]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        question = await request.json()
        self.asked.append(question)
        text = f"Echo: {_last_text(question['messages'])}"
        if not question.get("stream"):
            message = {"role": "assistant", "content": text}
            return web.json_response(_completion(message=message, finish_reason="stop"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if "think" in text:
            await response.write(_chunk({"reasoning_content": THOUGHT}))
        if "use a tool" in text and question["messages"][-1]["role"] != "tool":
            # Letta never goes on behind a call whose id it knows.
            await response.write(_chunk({"tool_calls": [{"id": f"call_{len(self.asked)}", **_CALL}]}))
            await response.write(_chunk({}, "tool_calls"))
            await response.write(b"data: [DONE]\n\n")
            return response
        for word in text.split(" "):
            blank = "" if word == "Echo:" else " "
            await response.write(_chunk({"content": blank + word}))
        await response.write(_chunk({}, "stop"))
        await response.write(b"data: [DONE]\n\n")
        return response


def _last_text(messages: list[dict[str, Any]]) -> str:
    content = next(message["content"] for message in reversed(messages) if message["role"] == "user")
    return content if isinstance(content, str) else str(content[-1]["text"])


def _completion(**choice: Any) -> dict[str, Any]:
    return {"id": "fake", "created": 0, "model": MODEL, "choices": [{"index": 0, **choice}]}


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    chunk = _completion(delta=delta, finish_reason=finish_reason)
    return f"data: {json.dumps({'object': 'chat.completion.chunk', **chunk})}\n\n".encode()
