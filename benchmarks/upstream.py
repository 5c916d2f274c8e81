"""An OpenAI-compatible server with minimal CPU time: it repeats the question, at once or in timed pieces.

Some questions have a *telling*, a longer answer with times.

``python -m benchmarks.upstream COUNT [etag]`` serves COUNT agents, with an ``ETag`` of the list, and logs its URL.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent_bridge.demo.agents.openai_server import ChatFormat, OpenAIServer, sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    #: The pieces of an answer, and when each is sent, in seconds since the question.
    Telling = Sequence[tuple[float, str]]


class Upstream(OpenAIServer):
    """Has agents with the ids ``agent-<number>``. Times are those of :func:`time.monotonic`."""

    def __init__(self) -> None:
        super().__init__()
        #: Seconds before each piece of an answer; empty: the whole answer comes at once.
        self.pace: Sequence[float] = ()
        #: Whether the list has an ``ETag``, by which a client need not read an unchanged list.
        self.gives_etag = False
        #: Answers to certain questions, by the question's text.
        self.tellings: dict[str, Telling] = {}
        #: The highest number of simultaneous answers.
        self.busiest = 0
        self._answering = 0
        self._names: dict[str, str] = {}
        self._list = b""
        #: When the present list was first requested, None if it was not.
        self.listed_at: float | None = None
        #: When each question arrived, by its text.
        self.asked_at: dict[str, float] = {}
        #: When the first piece of an answer in pieces was sent, by the question's text.
        self.began_at: dict[str, float] = {}
        self.add(())

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the API, and the one that renames agents."""
        return [*super().routes(), web.patch("/agents/{id}", self._rename)]

    @property
    def url(self) -> str:
        """Where agents are renamed: ``PATCH /agents/{id}`` with ``{"name": …}``."""
        return self.root_url

    def add(self, names: Iterable[str]) -> None:
        """Add agents, all at once."""
        for name in names:
            self._names[f"agent-{len(self._names) + 1}"] = name
        # Rendered once: a benchmark asks for the list all the time.
        self._list = json.dumps({"object": "list", "data": self.model_list()}).encode()
        self._etag = f'"{hashlib.sha256(self._list).hexdigest()}"'
        self.listed_at = None

    def model_list(self) -> list[dict[str, Any]]:
        """See :class:`~agent_bridge.demo.agents.openai_server.OpenAIServer`."""
        return [{"id": key, "object": "model", "created": 0, "name": name} for key, name in self._names.items()]

    def chat_format(self, model: str) -> ChatFormat:
        """See :class:`~agent_bridge.demo.agents.openai_server.OpenAIServer`."""
        return ChatFormat(model)

    async def list_models(self, request: web.Request) -> web.Response:
        """Answer ``GET /v1/models``."""
        self.listed_at = self.listed_at or time.monotonic()
        headers = {"ETag": self._etag} if self.gives_etag else {}
        if self.gives_etag and request.headers.get("If-None-Match") == self._etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=self._list, content_type="application/json", headers=headers)

    async def chat_completions(self, request: web.Request) -> web.StreamResponse:
        """Answer ``POST /v1/chat/completions``: in one write if the answer is not cut into pieces."""
        body = await request.json()
        question = body["messages"][-1]["content"]
        self.asked_at[question] = time.monotonic()
        self._answering += 1
        self.busiest = max(self.busiest, self._answering)
        answer = self.chat_format(body["model"])
        try:
            if question in self.tellings or self.pace:
                return await self.respond(request, body, answer)
            events = sse([*answer.events(question), answer.end()])
            return web.Response(body=events + b"data: [DONE]\n\n", content_type="text/event-stream")
        finally:
            self._answering -= 1

    async def reply(self, question: Mapping[str, Any]) -> AsyncIterator[object]:
        """Yield the pieces of the answer when they are due."""
        text = question["messages"][-1]["content"]
        asked = self.asked_at[text]
        # An answer with what was said before would contain earlier answers, and grow with each question.
        for at, piece in self.tellings.get(text) or _cut(text.rpartition("\n")[2], self.pace):
            await asyncio.sleep(asked + at - time.monotonic())
            self.began_at.setdefault(text, time.monotonic())
            yield piece

    async def _rename(self, request: web.Request) -> web.Response:
        self._names[request.match_info["id"]] = (await request.json())["name"]
        self.add(())
        return web.json_response({})


def _cut(text: str, pace: Sequence[float]) -> Telling:
    """Return *text* in as many pieces as *pace* has pauses before each."""
    size = -(-len(text) // max(1, len(pace)))
    return [(at, text[number * size :][:size]) for number, at in enumerate(accumulate(pace))]


async def _serve(count: int, *, gives_etag: bool) -> None:
    async with Upstream() as upstream:
        upstream.gives_etag = gives_etag
        upstream.add(f"Agent {number}" for number in range(1, count + 1))
        print(json.dumps({"event": "listening", "url": upstream.api_url}), file=sys.stderr, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), gives_etag="etag" in sys.argv[2:]))
