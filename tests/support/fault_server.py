"""An HTTP server that does what a test tells it to: the well-behaved answers, and every way of misbehaving."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"

#: Headers that say how the recorded body travelled; the server says that anew.
_HOP_BY_HOP = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "date", "server"})


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: The body, each piece written on its own. Without a head, raw bytes for the socket.
    pieces: tuple[bytes, ...] = ()
    #: Seconds before each piece.
    pause: float = 0
    #: What follows the pieces: the end of the body, the end of the connection, silence, or the pieces again.
    then: Literal["end", "cut", "hang", "repeat"] = "end"
    head: bool = True


def transcript(name: str, **changes: Any) -> Reply:
    """Return a recorded answer (``curl -i``), byte for byte but for the headers of its own connection."""
    head, _, body = (TRANSCRIPTS / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = (line.split(": ", 1) for line in lines)
    headers = {name: value for name, value in fields if name.lower() not in _HOP_BY_HOP}
    return replace(Reply(int(status.split()[1]), headers, (body,)), **changes)


def sse(*events: str, **changes: Any) -> Reply:
    """Return an event stream of one ``data`` line for each of *events*, one piece each."""
    pieces = tuple(f"data: {event}\n\n".encode() for event in events)
    return replace(Reply(200, {"Content-Type": "text/event-stream"}, pieces), **changes)


@dataclass
class Received:
    """A request that the server got."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    #: The JSON of the body, None without one.
    json: Any
    body: bytes
    #: Set when the server is done with it, or the client has gone away.
    over: asyncio.Event = field(default_factory=asyncio.Event)


class FaultServer:
    """Listens on 127.0.0.1 while it is entered, and answers each request with the next scripted reply."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._replies: list[Reply] = []
        self._asked = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
        self._port = 0

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self._port}/v1"

    def script(self, *replies: Reply) -> None:
        """Add the replies to the next requests."""
        self._replies += replies

    async def request(self) -> Received:
        """Wait for the first request, and return it."""
        await self._asked.wait()
        return self.requests[0]

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

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
