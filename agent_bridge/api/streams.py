"""Streams of server-sent events (WHATWG HTML, "Server-sent events"), which an endpoint yields."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from agent_bridge.api.refusals import refusal
from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from agent_bridge.api.model import ApiModel

#: Seconds after which a connection is used although there is no event: proxies and sockets that are gone are found.
HEARTBEAT = 15.0
#: A comment, which clients ignore.
STILL_HERE = ": still here\n\n"
#: Seconds in which a client takes what is sent to it, seconds between two looks for one that is gone, and milliseconds
#: after which a client connects again.
_PATIENCE, _LOOK, _RETRY = 30.0, 2.0, 2_000
#: Seconds after which a client without a place may try again.
_FULL = 30.0
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # nginx would hold the events back.
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event of a stream."""

    #: From which the stream goes on after a lost connection; None: it is as before.
    id: str | None
    #: Name of the event, without a line break.
    type: str
    #: None: the event carries only its id, and no client shows it.
    data: ApiModel | None


class Streams:
    """The streams of a process, at most *most*. They end with their client, with their token, and with the server.

    *headers*: further ones of each response.
    """

    def __init__(self, most: int, headers: Mapping[str, str] | None = None) -> None:
        self._most = most
        self._headers = _HEADERS | dict(headers or {})
        self._open = 0
        self._ending = asyncio.Event()

    @property
    def open(self) -> int:
        """The number of open streams."""
        return self._open

    async def end(self, _app: web.Application) -> None:
        """End all streams."""
        self._ending.set()

    async def serve(
        self,
        request: web.Request,
        events: AsyncGenerator[StreamEvent | None, None],
        is_permitted: Callable[[], Awaitable[bool]],
    ) -> web.StreamResponse:
        """Send *events*; None stands for a moment without an event. See :meth:`serve_texts`."""
        return await self.serve_texts(request, _texts(events), is_permitted)

    async def serve_texts(
        self,
        request: web.Request,
        texts: AsyncGenerator[str, None],
        is_permitted: Callable[[], Awaitable[bool]],
        refused: Callable[[], str] = str,
    ) -> web.StreamResponse:
        """Send *texts*, each of which has whole events.

        A token that does not count any more (*is_permitted*, which is asked before each text) ends the stream, with the
        text that *refused* returns. An error behind the first of the texts cuts the connection: the client sees that
        the stream is not complete, and connects again.

        Raises:
            ProgramRefused: there are as many streams as are allowed.
            Exception: that of the first of *texts*.
        """
        if self._open >= self._most:
            # The homeserver needs connections, too.
            raise ProgramRefused(Problem.TOO_MANY_REQUESTS, f"{self._most} streams at a time", retry_after=_FULL)
        self._open += 1
        try:
            return await self._served(request, texts, is_permitted, refused)
        finally:
            self._open -= 1

    async def _served(
        self,
        request: web.Request,
        texts: AsyncGenerator[str, None],
        is_permitted: Callable[[], Awaitable[bool]],
        refused: Callable[[], str],
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._headers)
        async with aclosing(texts):
            # The first one is awaited before the head of the response: an error is still a problem.
            first = await anext(texts, "")
            sending = asyncio.ensure_future(_send_all(request, response, first, texts, is_permitted, refused))
            gone = asyncio.ensure_future(self._gone(request))
            try:
                await asyncio.wait([sending, gone], return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                # It takes too long: the caller makes a problem of it.
                if response.prepared:
                    _cut(request)
                raise
            finally:
                sending.cancel()
                gone.cancel()
                await asyncio.wait([sending, gone])
            if not sending.cancelled() and (error := sending.exception()) is not None:
                if not (response.prepared and isinstance(error, Exception)):
                    raise error
                # A problem would be a second response within the first one.
                refusal(f"the stream {request.path}", error)
                _cut(request)
        return response

    async def _gone(self, request: web.Request) -> None:
        """Return when the client has closed the connection, or the server ends. aiohttp tells neither to a handler."""
        while request.transport is not None and not request.transport.is_closing():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._ending.wait()
                    return


async def _send_all(
    request: web.Request,
    response: web.StreamResponse,
    first: str,
    texts: AsyncGenerator[str, None],
    is_permitted: Callable[[], Awaitable[bool]],
    refused: Callable[[], str],
) -> None:
    # The client may go at any time, and may not read.
    with suppress(ConnectionError, TimeoutError):
        await response.prepare(request)
        await _send(response, first)
        async for text in texts:
            if not await is_permitted():
                if last := refused():
                    await _send(response, last)
                return
            await _send(response, text)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


async def _texts(events: AsyncGenerator[StreamEvent | None, None]) -> AsyncGenerator[str, None]:
    async with aclosing(events):
        first = await anext(events, None)
        yield f"retry: {_RETRY}\n\n{_text(first)}"
        async for event in events:
            yield _text(event)


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_PATIENCE):
        await response.write(text.encode())


def _text(event: StreamEvent | None) -> str:
    if event is None:
        return STILL_HERE
    head = "" if event.id is None else f"id: {event.id}\n"
    if event.data is None:
        return f"{head}\n"
    # JSON has no line breaks.
    return f"{head}event: {event.type}\ndata: {event.data.model_dump_json(exclude_none=True)}\n\n"
