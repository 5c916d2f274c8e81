"""An OpenAI-compatible server whose agents say what a test tells them to, and which remembers what it was asked."""

from __future__ import annotations

import itertools
import json
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    #: What an agent does with a question: pieces of text; ``None`` cuts the connection, an int is a status instead of
    #: an answer, an exception's text is sent as an error inside the stream.
    Script = Callable[[str], AsyncIterator[str | int | Exception | None]]


async def echo(question: str) -> AsyncIterator[str | int | Exception | None]:
    """Say the question back at once."""
    yield f"Echo: {question}"


_numbers = itertools.count(1)


class ScriptedUpstream:
    """Agents that the test sets; each question is answered by the next of :attr:`scripts`, else by :attr:`script`.

    Model ids get a number that no other server of the run has, for the homeserver remembers the rooms of all.
    """

    def __init__(self, *models: str, **extra: Any) -> None:
        number = next(_numbers)
        self.models: list[dict[str, Any]] = [{"id": f"{model}{number}", "object": "model", **extra} for model in models]
        self.script: Script = echo
        self.scripts: deque[Script] = deque()
        #: Bodies and headers of the questions asked, in the order in which they came.
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        #: Status of the list of models; anything but 200 is a failure.
        self.status = 200
        app = web.Application()
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def names(self) -> list[str]:
        """Names of the agents."""
        return [model.get("name", model["id"]) for model in self.models]

    @property
    def questions(self) -> list[str]:
        """The last message of each question."""
        return [body["messages"][-1]["content"] for body in self.asked]

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self.models}, status=self.status)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        script = self.scripts.popleft() if self.scripts else self.script
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            return await self._play(script(body["messages"][-1]["content"]), request, response)
        except ConnectionResetError:
            # Who asked is gone.
            return response

    @staticmethod
    async def _play(
        pieces: AsyncIterator[str | int | Exception | None], request: web.Request, response: web.StreamResponse
    ) -> web.StreamResponse:
        async for piece in pieces:
            if isinstance(piece, int):
                return web.json_response({"error": {"message": "scripted"}}, status=piece, headers={"Retry-After": "0"})
            if not response.prepared:
                await response.prepare(request)
            if piece is None:
                assert request.transport is not None
                request.transport.abort()
                return response
            if isinstance(piece, Exception):
                await _write(response, {"error": {"message": str(piece)}})
                return response
            await _write(response, {"choices": [{"delta": {"content": piece}, "finish_reason": None}]})
        await _write(response, {"choices": [{"delta": {}, "finish_reason": "stop"}]})
        await response.write(b"data: [DONE]\n\n")
        return response


async def _write(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")


def says(*pieces: str | int | Exception | None) -> Script:
    """Return a script that says *pieces*, whatever the question."""

    async def script(_question: str) -> AsyncIterator[str | int | Exception | None]:
        for piece in pieces:
            yield piece

    return script


def waits_for(gate: asyncio.Event, *pieces: str) -> Script:
    """Return a script that says the first of *pieces*, waits for *gate*, and says the rest."""

    async def script(_question: str) -> AsyncIterator[str | int | Exception | None]:
        yield pieces[0]
        await gate.wait()
        for piece in pieces[1:]:
            yield piece

    return script
