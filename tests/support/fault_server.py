"""An HTTP server that replies as the test scripts it: correct responses, and every kind of fault."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from agent_bridge.demo.agents.openai_server import LocalServer

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"

#: Headers of the recorded connection. The server sends its own.
_HOP_BY_HOP = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "date", "server"})


@dataclass(frozen=True)
class Reply:
    """The response to one request."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: The pieces of the body, each in a separate write. Without a head they are raw bytes for the socket.
    pieces: tuple[bytes, ...] = ()
    #: Seconds before each piece.
    pause: float = 0
    #: After the pieces: the end of the body, the end of the connection, silence, or the pieces again.
    then: Literal["end", "cut", "hang", "repeat"] = "end"
    head: bool = True


def transcript(name: str, **changes: Any) -> Reply:
    """Return a recorded response (``curl -i``), byte for byte except for the headers of its connection."""
    head, _, body = (TRANSCRIPTS / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = (line.split(": ", 1) for line in lines)
    headers = {name: value for name, value in fields if name.lower() not in _HOP_BY_HOP}
    return replace(Reply(int(status.split()[1]), headers, (body,)), **changes)


def sse(*events: str, **changes: Any) -> Reply:
    """Return an event stream with one ``data`` line, and one piece, for each of *events*."""
    pieces = tuple(f"data: {event}\n\n".encode() for event in events)
    return replace(Reply(200, {"Content-Type": "text/event-stream"}, pieces), **changes)


def sent(event_id: str, **changes: Any) -> Reply:
    """Return the response of a homeserver that took an event, with its *event_id*."""
    body = json.dumps({"event_id": event_id}).encode()
    return replace(Reply(200, {"Content-Type": "application/json"}, (body,)), **changes)


@dataclass
class Received:
    """A request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    #: The JSON of the body, None if it has none.
    json: Any
    body: bytes
    #: Set when the response is complete, or the client has gone away.
    over: asyncio.Event = field(default_factory=asyncio.Event)


class FaultServer(LocalServer):
    """Answers each request, at any path, with the next scripted reply."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._replies: list[Reply] = []
        self._asked = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        super().__init__(app)

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return self.api_url

    def script(self, *replies: Reply) -> None:
        """Add the replies to the next requests."""
        self._replies += replies

    async def request(self) -> Received:
        """Wait for the first request, and return it."""
        await self._asked.wait()
        return self.requests[0]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        value = json.loads(body) if request.content_type == "application/json" else None
        received = Received(request.method, request.path, dict(request.query), request.headers.copy(), value, body)
        self.requests.append(received)
        self._asked.set()
        try:
            reply = self._replies.pop(0) if self._replies else Reply(501, pieces=(b"nothing is scripted",))
            return await self._reply(request, reply)
        finally:
            received.over.set()

    @staticmethod
    async def _reply(request: web.Request, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        transport = request.transport
        assert transport is not None
        if reply.head:
            await response.prepare(request)
        while True:
            for piece in reply.pieces:
                await asyncio.sleep(reply.pause)
                if reply.head:
                    await response.write(piece)
                else:
                    transport.write(piece)
            if reply.then != "repeat":
                break
        if reply.then == "hang":
            await asyncio.Event().wait()
        if reply.then == "cut":
            transport.close()
        return response
