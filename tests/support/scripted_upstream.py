"""An OpenAI-compatible server whose agents follow the test's script. It records the requests."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent_bridge.demo.agents.openai_server import HangUp, OpenAIServer, Reasoning, Refusal
from support.answer_chunks import File, Item, ResponsesFormat, ScriptedChatFormat, Spoken, Tool
from support.recordings import wave_file
from support.scripted_mcp import McpTools, has_decision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from agent_bridge.demo.agents.openai_server import AnswerFormat

    #: ``None`` cuts the connection, an int is the status of an error response, an exception's text is sent as an error
    #: inside the stream. Anything else is a piece of the answer.
    Piece = Spoken | int | Exception | None
    #: The answer of an agent to a question.
    Script = Callable[[str], AsyncIterator[Piece]]

__all__ = [
    "File",
    "Item",
    "Reasoning",
    "Script",
    "ScriptedUpstream",
    "Tool",
    "echo",
    "own_words",
    "says",
    "until_cancelled",
    "waits_for",
]


async def echo(question: str) -> AsyncIterator[Piece]:
    """Repeat the question at once; in a room of several, only its last message, without the name of the person."""
    yield f"Echo: {own_words(question)}"


def own_words(question: str) -> str:
    """Return the words of the person who asks *question*, without the messages before and without the person's name."""
    return _SPOKEN.split(question)[-1]


def until_cancelled(over: asyncio.Event, *pieces: Piece, asked: asyncio.Event | None = None) -> Script:
    """Return a script that sends *pieces* and then waits; the end of the request sets *over*."""

    async def script(_question: str) -> AsyncIterator[Piece]:
        try:
            if asked is not None:
                asked.set()
            for piece in pieces:
                yield piece
            await asyncio.Event().wait()
        finally:
            over.set()

    return script


_numbers = itertools.count(1)
#: The beginning of a message of a person as agents get it in a room of several.
_SPOKEN = re.compile(r"(?:\A|\n\n)person\d+(?: \(@\S+\))?: ")


class ScriptedUpstream(OpenAIServer):
    """Has the agents *models*. The next of :attr:`scripts` answers a question, else :attr:`script`.

    Model ids get a number that no other server of the test run has, because the homeserver keeps the rooms of all.
    """

    def __init__(self, *models: str, **extra: Any) -> None:
        super().__init__()
        number = next(_numbers)
        self.models: list[dict[str, Any]] = [{"id": f"{model}{number}", "object": "model", **extra} for model in models]
        self.script: Script = echo
        self.scripts: deque[Script] = deque()
        #: Whether the server has ``/responses`` besides ``/chat/completions``.
        self.responses = True
        #: Tools that need an approval, with ``/responses``.
        self.mcp = McpTools()
        #: The text of every recording, and the recordings that arrived.
        self.transcript = "what was said"
        self.heard: list[bytes] = []
        #: The requests to read texts aloud, and what each gets: a recording, the status of an error, or nothing until
        #: the event is set.
        self.spoken: list[dict[str, Any]] = []
        self.recording: bytes | int | asyncio.Event = wave_file(1.0)
        #: Paths, bodies and headers of the questions, in the order of their arrival.
        self.paths: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        #: Returns the report of tokens for the body of a question; None: the server reports none.
        self.usage: Callable[[Mapping[str, Any]], Mapping[str, Any] | None] = lambda _: None
        #: Status of the list of models; anything but 200 is a failure. Fields beside the list.
        self.status = 200
        self.list_extra: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return self.api_url

    @property
    def names(self) -> list[str]:
        """Names of the agents."""
        return [model.get("name", model["id"]) for model in self.models]

    @property
    def questions(self) -> list[str]:
        """The text of the last message of each question."""
        return [_question(body) for body in self.asked]

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the API."""
        return [
            *super().routes(),
            web.post("/v1/responses", self.create_response),
            web.post("/v1/audio/transcriptions", self._transcribe),
            web.post("/v1/audio/speech", self._speak),
        ]

    async def list_models(self, request: web.Request) -> web.Response:
        """Answer ``GET /v1/models``."""
        if not self.list_extra:
            return await super().list_models(request)
        return web.json_response({"object": "list", "data": self.model_list(), **self.list_extra})

    def model_list(self) -> list[dict[str, Any]]:
        """Return the agents."""
        if self.status != 200:
            raise Refusal("", self.status)
        return self.models

    def chat_format(self, model: str) -> ScriptedChatFormat:
        """Return the format of an answer of *model*."""
        return ScriptedChatFormat(model)

    async def respond(
        self, request: web.Request, question: Mapping[str, Any], answer_format: AnswerFormat
    ) -> web.StreamResponse:
        """Answer *request*; report the tokens of :attr:`usage` if *question* wishes it."""
        if isinstance(answer_format, ScriptedChatFormat) and question.get("stream_options", {}).get("include_usage"):
            answer_format.usage = self.usage(question)
        return await super().respond(request, question, answer_format)

    async def reply(self, question: Mapping[str, Any]) -> AsyncIterator[object]:
        """Yield the pieces of the script."""
        if has_decision(question):
            pieces = self.mcp.go_on(question)
        else:
            script = self.scripts.popleft() if self.scripts else self.script
            pieces = script(_question(question))
        async for piece in self.mcp.guard(pieces):
            if isinstance(piece, int):
                raise Refusal("scripted", piece, headers={"Retry-After": "0"})
            if piece is None or isinstance(piece, Exception):
                # The response has begun when it fails.
                yield ""
                raise HangUp if piece is None else Refusal(str(piece))
            yield piece

    async def chat_completions(self, request: web.Request) -> web.StreamResponse:
        """Record the question, and answer it."""
        await self._record(request)
        return await super().chat_completions(request)

    async def create_response(self, request: web.Request) -> web.StreamResponse:
        """Record the question, and answer it by the Responses API."""
        if not self.responses:
            raise web.HTTPNotFound
        answer = ResponsesFormat(store=self.mcp.keeps)
        self.mcp.responses.append(answer.id)
        return await self.respond(request, await self._record(request), answer)

    async def _record(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.paths.append(request.path)
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        return body

    async def _speak(self, request: web.Request) -> web.Response:
        self.spoken.append(await request.json())
        result = self.recording
        if isinstance(result, asyncio.Event):
            await result.wait()
            result = wave_file(1.0)
        if isinstance(result, int):
            return web.json_response({"error": {"message": "scripted"}}, status=result)
        # Servers name any type.
        return web.Response(body=result, content_type="application/json")

    async def _transcribe(self, request: web.Request) -> web.Response:
        file = (await request.post())["file"]
        assert isinstance(file, web.FileField)
        self.heard.append(file.file.read())
        return web.json_response({"text": self.transcript})


def _question(body: Mapping[str, Any]) -> str:
    content = body["messages" if "messages" in body else "input"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def says(*pieces: Piece) -> Script:
    """Return a script that sends *pieces* as the answer to any question."""

    async def script(_question: str) -> AsyncIterator[Piece]:
        for piece in pieces:
            yield piece

    return script


def waits_for(gate: asyncio.Event, *pieces: Piece) -> Script:
    """Return a script that sends the first of *pieces*, waits for *gate*, and sends the rest."""

    async def script(_question: str) -> AsyncIterator[Piece]:
        yield pieces[0]
        await gate.wait()
        for piece in pieces[1:]:
            yield piece

    return script
