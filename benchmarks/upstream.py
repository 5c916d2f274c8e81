"""An OpenAI-compatible server that costs next to nothing: it answers with what it was told, at once or at a pace.

Where a telling is set for a question, that is the answer.

``python -m benchmarks.upstream COUNT`` serves so many agents and logs its URL.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    #: Pieces of an answer, and when each is said, in seconds since the question.
    Telling = Sequence[tuple[float, str]]


class Upstream:
    """Listens on 127.0.0.1 from entering to leaving the context. An agent's id is ``agent-<number>``.

    Times are those of :func:`time.monotonic`.
    """

    def __init__(self) -> None:
        #: Seconds before each piece of an answer, for as many pieces; none: it comes whole and at once.
        self.pace: Sequence[float] = ()
        #: What is said to a question instead, by its text.
        self.tellings: dict[str, Telling] = {}
        #: Answers that were under way at the same time, at most.
        self.busiest = 0
        self._answering = 0
        self._namespace: dict[str, str] = {}
        self._list = b""
        #: When the present list was first asked for, None while it was not.
        self.listed_at: float | None = None
        #: When each question was asked, by its text.
        self.asked_at: dict[str, float] = {}
        #: When the first piece of an answer that comes in pieces was said, by the question's text.
        self.began_at: dict[str, float] = {}
        self.add(())
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_patch("/agents/{id}", self._rename)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where agents are renamed: ``PATCH /agents/{id}`` with ``{"name": …}``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """Base URL of the OpenAI-compatible API."""
        return f"{self.url}/v1"

    def add(self, names: Iterable[str]) -> None:
        """Make agents, all in one moment."""
        for name in names:
            self._namespace[f"agent-{len(self._namespace) + 1}"] = name
        data = [{"id": key, "object": "model", "created": 0, "name": name} for key, name in self._namespace.items()]
        self._list = json.dumps({"object": "list", "data": data}).encode()
        self.listed_at = None

    async def _models(self, _request: web.Request) -> web.Response:
        self.listed_at = self.listed_at or time.monotonic()
        return web.Response(body=self._list, content_type="application/json")

    async def _rename(self, request: web.Request) -> web.Response:
        self._namespace[request.match_info["id"]] = (await request.json())["name"]
        self.add(())
        return web.json_response({})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        question = (await request.json())["messages"][-1]["content"]
        self.asked_at[question] = time.monotonic()
        self._answering += 1
        self.busiest = max(self.busiest, self._answering)
        try:
            telling = self.tellings.get(question) or _cut(question, self.pace)
            if telling:
                return await self._tell(request, question, telling)
            return web.Response(text=_piece(question) + _END, content_type="text/event-stream")
        finally:
            self._answering -= 1

    async def _tell(self, request: web.Request, question: str, telling: Telling) -> web.StreamResponse:
        asked = self.asked_at[question]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for at, piece in telling:
            await asyncio.sleep(asked + at - time.monotonic())
            self.began_at.setdefault(question, time.monotonic())
            await response.write(_piece(piece).encode())
        await response.write(_END.encode())
        return response


def _cut(text: str, pace: Sequence[float]) -> Telling:
    """Return *text* in as many pieces as *pace* has pauses before each."""
    size = -(-len(text) // max(1, len(pace)))
    return [(at, text[number * size :][:size]) for number, at in enumerate(accumulate(pace))]


def _piece(text: str) -> str:
    return _event({"role": "assistant", "content": text}, None)


def _event(delta: dict[str, Any], finish_reason: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


_END = _event({}, "stop") + "data: [DONE]\n\n"


async def _serve(count: int) -> None:
    async with Upstream() as upstream:
        upstream.add(f"Agent {number}" for number in range(1, count + 1))
        print(json.dumps({"event": "listening", "url": upstream.api_url}), file=sys.stderr, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
