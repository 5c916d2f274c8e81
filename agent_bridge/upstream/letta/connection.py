"""One WebSocket to an App Server: sends commands, and passes the events of the server on."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
from aiohttp import WebSocketError, WSCloseCode

from agent_bridge.upstream.letta.frames import conversation_of, without_requests
from agent_bridge.upstream.transport.text import NestedTooDeeply, flattened, load_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from agent_bridge.upstream.letta.frames import Frame

#: Values of one frame. The list of a hundred agents has fewer.
_MAX_VALUES = 1_000_000
#: Objects and lists around a value of a frame that has too many of them.
_DEPTH = 100
#: Conversations whose last turn is remembered.
_REMEMBERED = 1_000
#: Codes of a close frame (RFC 6455, section 7.4.1): the server ends, or does not want the connection any more.
_GOODBYES = frozenset({WSCloseCode.OK, WSCloseCode.GOING_AWAY})
#: Frames of 30 kB each that repeat the state of the device. They are read on request, or if approvals are pending.
_DEVICE_STATUS, _NO_APPROVALS = '{"type":"update_device_status"', '"pending_control_requests":[]'


class ConnectionEnded(Exception):
    """The WebSocket ended before the response to a command arrived: the server may have carried the command out."""


class FrameTooLarge(ConnectionEnded):
    """The WebSocket ended at a frame that is too large: the response, or that to another command."""


class CommandSilent(Exception):
    """The server did not respond to a command in time. It ignores commands that it does not know."""


class Connection:
    """The commands and events of one open *socket*. *receive* gets each event, and must not block.

    *reads_all* tells whether it also gets states of the device without pending approvals.
    """

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        receive: Callable[[Connection, Frame], None],
        reads_all: Callable[[], bool],
    ) -> None:
        self._socket = socket
        self._receive = receive
        self._reads_all = reads_all
        #: The commands without a response, and the functions that get it as soon as it arrives.
        self._waiting: dict[str, tuple[asyncio.Future[Frame], Callable[[Frame], None] | None]] = {}
        #: Whether it takes no more commands.
        self.ended = False
        #: Whether it ended at a frame that is too large.
        self._met_large_frame = False
        #: The ids of the conversations whose events the server sends to this connection, and the options of each.
        self.followed: dict[str, Mapping[str, Any]] = {}
        #: By conversation: names of the events of its last turn, which this connection may still deliver. A later
        #: connection may be one to a server that started again, and gives the same names to other events.
        self._past: dict[str, frozenset[object]] = {}

    async def request(
        self, command: str, /, *, within: float, arrived: Callable[[Frame], None] | None = None, **fields: Any
    ) -> Frame:
        """Send a command, and return the response, which may report a failure. *within* is a limit in seconds.

        *arrived* gets the response before *receive* gets the next event.

        Raises:
            ConnectionEnded: there is no response.
            CommandSilent: there is none in time.
        """
        if self.ended:
            raise ConnectionEnded
        request_id = uuid4().hex
        response: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = response, arrived
        try:
            async with asyncio.timeout(within):
                await self.send(type=command, request_id=request_id, **fields)
                return await response
        except TimeoutError:
            raise CommandSilent from None
        finally:
            del self._waiting[request_id]

    async def send(self, **frame: Any) -> None:
        """Send a frame that has no response.

        Raises:
            ConnectionEnded: the frame may not have arrived.
        """
        try:
            await self._socket.send_str(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))
        except (aiohttp.ClientError, ConnectionError):
            self.ended = True
            raise ConnectionEnded from None

    def remember(self, conversation_id: str, names: frozenset[object]) -> None:
        """Remember the *names* of the events of a turn that is over."""
        self._past.pop(conversation_id, None)
        self._past[conversation_id] = names
        while len(self._past) > _REMEMBERED:
            del self._past[next(iter(self._past))]

    def settle(self, conversation_id: str) -> None:
        """Note that this connection has delivered the end of the last turn: later requests for approval are new."""
        if (names := self._past.get(conversation_id)) is not None:
            self._past[conversation_id] = without_requests(names)

    def past(self, conversation_id: str) -> frozenset[object]:
        """Return the names of the events of the last turn that is over."""
        return self._past.get(conversation_id, frozenset())

    @property
    def end(self) -> str:
        """The reason for the end, for the log."""
        if self._met_large_frame:
            return "a frame is too large"
        if isinstance(self._socket.exception(), TimeoutError):
            return "half-open: no response to a ping"
        if self._socket.close_code in _GOODBYES:
            return "the server closed it"
        return "reset"

    async def read(self) -> None:
        """Read until the WebSocket ends. Frames that are not JSON objects are ignored."""
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
                elif isinstance(message.data, WebSocketError):
                    self._met_large_frame = message.data.code == WSCloseCode.MESSAGE_TOO_BIG
        finally:
            self.ended = True
            for response, _ in self._waiting.values():
                if not response.done():
                    response.set_exception(FrameTooLarge() if self._met_large_frame else ConnectionEnded())

    def _take(self, data: str) -> None:
        if data.startswith(_DEVICE_STATUS) and _NO_APPROVALS in data and not self._reads_all():
            return
        try:
            frame = _load(data)
        except ValueError:
            return
        if not isinstance(frame, dict):
            return
        waiting = self._waiting.get(str(frame.get("request_id")))
        if waiting is not None:
            response, arrived = waiting
            if not response.done():
                response.set_result(frame)
                if arrived is not None:
                    arrived(frame)
        elif conversation_of(frame):
            self._receive(self, frame)


@asynccontextmanager
async def without_events(
    opened: AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse],
) -> AsyncIterator[Connection]:
    """Give a connection over the WebSocket *opened*, which drops all events.

    Raises:
        UpstreamError: the WebSocket was not opened.
    """
    async with opened as socket:
        connection = Connection(socket, lambda _connection, _event: None, lambda: False)
        reading = asyncio.create_task(connection.read())
        try:
            yield connection
        finally:
            reading.cancel()
            await asyncio.wait({reading})


def _load(data: str) -> Any:
    """Return the value of a frame. An agent chooses the arguments of its tools, and waits for a person who reads them.

    Raises:
        ValueError: it is no JSON, or has too many values.
    """
    try:
        return load_json(data, _MAX_VALUES)
    except NestedTooDeeply:
        return load_json(flattened(data, _DEPTH), _MAX_VALUES)
