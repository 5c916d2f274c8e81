"""An OpenAI-compatible server whose agents say what a test tells them to, and which remembers what it was asked."""

from __future__ import annotations

import itertools
import json
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from support.answer_chunks import File, Reasoning, Spoken, Tool, chat_chunks, chat_end, response_end, response_events

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    #: ``None`` cuts the connection, an int is a status instead of an answer, an exception's text is sent as an error
    #: inside the stream; anything else is said, text or not.
    Piece = Spoken | int | Exception | None
    #: What an agent does with a question.
    Script = Callable[[str], AsyncIterator[Piece]]

__all__ = ["File", "Reasoning", "Script", "ScriptedUpstream", "Tool", "echo", "says", "waits_for"]


async def echo(question: str) -> AsyncIterator[Piece]:
    """Say the question back at once."""
    yield f"Echo: {question}"


_numbers = itertools.count(1)
_MAX_BODY = 64 * 1024 * 1024


class ScriptedUpstream:
    """Agents that the test sets; each question is answered by the next of :attr:`scripts`, else by :attr:`script`.

    Model ids get a number that no other server of the run has, for the homeserver remembers the rooms of all.
    """

    def __init__(self, *models: str, **extra: Any) -> None:
        number = next(_numbers)
        self.models: list[dict[str, Any]] = [{"id": f"{model}{number}", "object": "model", **extra} for model in models]
        self.script: Script = echo
        self.scripts: deque[Script] = deque()
        #: Whether there is ``/responses`` beside ``/chat/completions``.
        self.responses = True
        #: What is said in every voice message, and the recordings that came.
        self.transcript = "what was said"
        self.heard: list[bytes] = []
        #: Paths, bodies and headers of the questions asked, in the order in which they came.
        self.paths: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        #: Status of the list of models; anything but 200 is a failure.
        self.status = 200
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/responses", self._respond)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
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
        """The text of the last message of each question."""
        return [_question(body) for body in self.asked]

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
        return await self._answer(request, chat_chunks, chat_end)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        if not self.responses:
            raise web.HTTPNotFound
        return await self._answer(request, response_events, lambda _: response_end())

    async def _transcribe(self, request: web.Request) -> web.Response:
        file = (await request.post())["file"]
        assert isinstance(file, web.FileField)
        self.heard.append(file.file.read())
        return web.json_response({"text": self.transcript})

    async def _answer(
        self,
        request: web.Request,
        spoken: Callable[[Spoken], list[dict[str, Any]]],
        end: Callable[[Spoken | None], dict[str, Any]],
    ) -> web.StreamResponse:
        body = await request.json()
        self.paths.append(request.path)
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        script = self.scripts.popleft() if self.scripts else self.script
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        last: Spoken | None = None
        # Who asked may be gone.
        with suppress(ConnectionResetError):
            async for piece in script(_question(body)):
                if isinstance(piece, int):
                    error = {"error": {"message": "scripted"}}
                    return web.json_response(error, status=piece, headers={"Retry-After": "0"})
                if not response.prepared:
                    await response.prepare(request)
                if piece is None:
                    assert request.transport is not None
                    request.transport.abort()
                    return response
                if isinstance(piece, Exception):
                    await _write(response, {"error": {"message": str(piece)}})
                    return response
                last = piece
                for event in spoken(piece):
                    await _write(response, event)
            await _write(response, end(last))
            await response.write(b"data: [DONE]\n\n")
        return response


def _question(body: dict[str, Any]) -> str:
    content = body["messages" if "messages" in body else "input"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


async def _write(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")


def says(*pieces: Piece) -> Script:
    """Return a script that says *pieces*, whatever the question."""

    async def script(_question: str) -> AsyncIterator[Piece]:
        for piece in pieces:
            yield piece

    return script


def waits_for(gate: asyncio.Event, *pieces: Piece) -> Script:
    """Return a script that says the first of *pieces*, waits for *gate*, and says the rest."""

    async def script(_question: str) -> AsyncIterator[Piece]:
        yield pieces[0]
        await gate.wait()
        for piece in pieces[1:]:
            yield piece

    return script
