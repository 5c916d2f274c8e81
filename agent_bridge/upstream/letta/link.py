"""Two WebSockets to one App Server.

If the last connection that follows a conversation ends during an answer, the server gives the answer up, and the
conversation accepts no further message. So each conversation with a running answer is followed on both connections.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import UpstreamError, UpstreamProtocolError, UpstreamRefused, UpstreamUnreachable
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.letta.connection import (
    CommandSilent,
    Connection,
    ConnectionEnded,
    FrameTooLarge,
    without_events,
)
from agent_bridge.upstream.letta.feed import Feed
from agent_bridge.upstream.letta.frames import END, MAX_FRAME, PROTOCOL_VERSION, conversation_of, server_info
from agent_bridge.upstream.letta.tool_calls import ToolCalls
from agent_bridge.upstream.transport.error_body import parse_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from agent_bridge.upstream.client_tools import Toolbox
    from agent_bridge.upstream.letta.frames import Frame, Runtime, ServerInfo

    #: Opens a WebSocket that ends at a message of more than so many bytes.
    OpenSocket = Callable[[int], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]]

_log = structlog.stdlib.get_logger(__name__)

_CONNECTIONS = 2
#: Seconds for the response to a command, and times that it is sent.
_COMMAND, _REPEATS = 30.0, 10
#: Connections that end at a frame that is too large, after which a command is given up: one of them may end at the
#: response to another command.
_TOO_LARGE = 2
#: Seconds that an answer waits for the second connection.
_SECOND = 1.0
#: Pauses between attempts to connect; a command that waits for a connection ends the pause.
_AGAIN, _SHORTEST_PAUSE = Backoff(first=0.1, cap=5), 0.05
#: Seconds after which a connection counts as a success.
_LASTED = 1.0


class ResponseTooLarge(UpstreamProtocolError):
    """The response to a command is larger than a frame may be."""


class Link:
    """The connections to one upstream. They are opened at the first use, and again after each end.

    A connection ends at a frame of more than *max_frame* bytes. *secrets* are texts that no error may contain.
    """

    def __init__(
        self, upstream: str, open_socket: OpenSocket, secrets: tuple[str, ...], *, max_frame: int = MAX_FRAME
    ) -> None:
        #: The name of the upstream.
        self.upstream = upstream
        self._open_socket = partial(open_socket, max_frame)
        self._max_frame = max_frame
        self._secrets = secrets
        self._keepers: list[asyncio.Task[None]] = []
        self._open: list[Connection] = []
        self._feeds: dict[str, Feed] = {}
        self._calls = ToolCalls()
        #: Set while a command waits for a connection.
        self._wanted = asyncio.Event()
        self._changed = asyncio.Condition()
        self._error: UpstreamError | None = None
        self._failures = 0
        #: The server's description of itself; None before the first connection.
        self.server: ServerInfo | None = None

    async def request(self, command: str, /, *, once: bool = False, within: float = _COMMAND, **fields: Any) -> Frame:
        """Send a command, and return the response to it.

        If a connection ends before the response, the command is sent again over another one, unless it may be sent
        only *once*.

        Raises:
            UpstreamUnreachable: there is no connection, or no response. ``not_begun`` and ``retryable`` are false if
                the command may be sent only once and may have arrived.
            UpstreamRefused: the response reports a failure.
            ResponseTooLarge: the response cannot be read.
        """
        too_large = 0
        for _ in range(_REPEATS):
            connection = await self._connection()
            try:
                return await self._request(connection, command, within, fields)
            except ConnectionEnded as ended:
                if once:
                    raise self._perhaps_arrived(Text("upstream_cut", upstream=self.upstream)) from None
                too_large += isinstance(ended, FrameTooLarge)
                if too_large == _TOO_LARGE:
                    raise self.too_large() from None
            except CommandSilent:
                slow = Text("upstream_slow", upstream=self.upstream, seconds=within)
                raise self._perhaps_arrived(slow) if once else UpstreamUnreachable(slow) from None
        # Perhaps the command itself ends the connections.
        raise UpstreamUnreachable(Text("upstream_cut", upstream=self.upstream))

    async def request_apart(self, command: str, /, **fields: Any) -> Frame:
        """Send a command over a connection of its own, and return the response.

        A response that is too large ends this connection, and no answer to another question is lost.

        Raises:
            UpstreamError: see :meth:`request`.
        """
        for _ in range(_REPEATS):
            try:
                async with without_events(self._open_socket()) as connection:
                    return await self._request(connection, command, _COMMAND, fields)
            except FrameTooLarge:
                raise self.too_large() from None
            except CommandSilent:
                raise UpstreamUnreachable(Text("upstream_slow", upstream=self.upstream, seconds=_COMMAND)) from None
            except ConnectionEnded:
                await asyncio.sleep(_SHORTEST_PAUSE)
        raise UpstreamUnreachable(Text("upstream_cut", upstream=self.upstream))

    async def say(self, feed: Feed, payload: Frame) -> Frame:
        """Send a message to the conversation of *feed*, once, and return the response.

        If the server accepts it, *feed* drops the events of earlier turns.

        Raises:
            UpstreamUnreachable: see :meth:`request`.
            UpstreamRefused: the response reports a failure.
        """
        connection = await self._connection(feed.runtime.conversation_id)

        def arrived(response: Frame) -> None:
            if response.get("accepted") is True:
                feed.begin(connection)

        fields = {"runtime": feed.runtime.as_json(), "payload": payload}
        try:
            return await self._request(connection, "input", _COMMAND, fields, arrived)
        except (ConnectionEnded, CommandSilent):
            raise self._perhaps_arrived(Text("upstream_cut", upstream=self.upstream)) from None

    @contextmanager
    def feed(
        self, runtime: Runtime, options: Mapping[str, Any], toolbox: Toolbox | None, *, whole_state: bool = False
    ) -> Iterator[Feed]:
        """Give the events of a conversation while the context is entered. :meth:`follow` has them sent.

        *whole_state*: also the states of the device in which no approval is pending.
        """
        name = runtime.conversation_id
        feed = self._feeds[name] = Feed(runtime, options, toolbox, whole_state=whole_state)
        try:
            yield feed
        finally:
            if self._feeds.get(name) is feed:
                del self._feeds[name]
            for connection in self._open:
                connection.remember(name, feed.ended(connection))

    async def follow(self, feed: Feed, *, state: bool) -> None:
        """Have the server send the events of *feed* to both connections, or to the one that there is.

        With *state*, the present state of the conversation is among the events, even if it is followed already.

        Raises:
            UpstreamError: the server does not know the conversation, or there is no connection.
        """
        while True:
            await self._connection()
            with suppress(TimeoutError):
                async with asyncio.timeout(_SECOND), self._changed:
                    await self._changed.wait_for(lambda: len(self._open) == _CONNECTIONS)
            follows = [self._follow(each, feed, state=state) for each in self._open]
            results = await asyncio.gather(*follows, return_exceptions=True)
            errors = [each for each in results if isinstance(each, BaseException)]
            for error in errors:
                if not isinstance(error, ConnectionEnded | CommandSilent):
                    raise error
            if len(errors) < len(results):
                return

    async def state(self, runtime: Runtime) -> Feed:
        """Return the events of a conversation, whose status is the present one. An answer may use them already.

        Raises:
            UpstreamError: the server did not tell.
        """
        if (feed := self._feeds.get(runtime.conversation_id)) is not None:
            await self.follow(feed, state=True)
            return feed
        with self.feed(runtime, {}, None) as feed:
            await self.follow(feed, state=True)
            return feed

    async def aclose(self) -> None:
        """Close the connections."""
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        self._keepers = []
        await self._calls.aclose()

    async def _connection(self, conversation_id: str = "") -> Connection:
        """Return an open connection; wait for the next attempt to open one if there is none.

        One that follows the conversation *conversation_id* has priority.

        Raises:
            UpstreamError: the attempt failed.
        """
        if not self._keepers:
            self._keepers = [asyncio.create_task(self._keep()) for _ in range(_CONNECTIONS)]
        failures = self._failures
        while True:
            open_ = [each for each in self._open if not each.ended]
            if open_:
                return max(open_, key=lambda each: conversation_id in each.followed)
            if self._failures > failures and self._error is not None:
                raise self._error.with_traceback(None) from None
            self._wanted.set()
            async with self._changed:
                await self._changed.wait()

    async def _request(
        self,
        connection: Connection,
        command: str,
        within: float,
        fields: Mapping[str, Any],
        arrived: Callable[[Frame], None] | None = None,
    ) -> Frame:
        response = await connection.request(command, within=within, arrived=arrived, **fields)
        if response.get("success") is False:
            detail = parse_error(response.get("error")).redacted(self._secrets)
            raise UpstreamRefused(Text("upstream_command", upstream=self.upstream), detail=detail)
        return response

    async def _follow(self, connection: Connection, feed: Feed, *, state: bool) -> None:
        """Have the server send the events of *feed* to *connection*."""
        conversation_id = feed.runtime.conversation_id
        if connection.followed.get(conversation_id) == feed.options and not state:
            return
        fields = {**feed.runtime.as_json(), "wait_for_replay": True, **feed.options}
        await self._request(connection, "runtime_start", _COMMAND, fields)
        connection.followed[conversation_id] = feed.options

    async def _keep(self) -> None:
        """Keep one connection open."""
        failures = 0
        while True:
            started = time.monotonic()
            # A command that waits now needs no further attempt after this one.
            self._wanted.clear()
            try:
                async with self._open_socket() as socket:
                    await self._use(socket)
                failures = 0 if time.monotonic() - started > _LASTED else failures + 1
            except UpstreamError as error:
                failures += 1
                async with self._changed:
                    self._error, self._failures = error, self._failures + 1
                    self._changed.notify_all()
            await asyncio.sleep(_SHORTEST_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN.delay(failures)):
                    await self._wanted.wait()

    async def _use(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Use an open *socket* until it ends.

        Raises:
            UpstreamError: the server is unsuitable, or does not respond.
        """
        connection = Connection(socket, self._receive, self._reads_all)
        reading = asyncio.create_task(connection.read())
        try:
            await self._greet(connection)
            async with self._changed:
                self._open.append(connection)
                if len(self._open) < _CONNECTIONS:
                    # The other keeper may be in a pause, and an answer waits for both connections.
                    self._wanted.set()
                self._changed.notify_all()
            for feed in list(self._feeds.values()):
                with suppress(UpstreamError):
                    await self._follow(connection, feed, state=False)
            await reading
            # Messages of people are not lost: the history of a conversation tells which of them arrived.
            _log.info("connection to the App Server ended", upstream=self.upstream, reason=connection.end)
        except (ConnectionEnded, CommandSilent):
            raise UpstreamUnreachable(Text("upstream_closed", upstream=self.upstream)) from None
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            connection.ended = True
            if connection in self._open:
                self._open.remove(connection)
            for name in connection.followed:
                if name in self._feeds and not any(name in each.followed for each in self._open):
                    self._feeds[name].lose()

    async def _greet(self, connection: Connection) -> None:
        """Ask the server for its description.

        Raises:
            UpstreamProtocolError: the bridge does not speak its version of the protocol, or it lacks a capability.
        """
        server = server_info(await self._request(connection, "app_server_info", _COMMAND, {}))
        before, self.server = self.server, server
        if before is not None and before.version != server.version:
            versions = {"before": before.version, "now": server.version}
            _log.warning("the App Server has another version", upstream=self.upstream, **versions)
        if server.protocol_version != PROTOCOL_VERSION:
            text = Text("letta_version", upstream=self.upstream, version=server.protocol_version)
            raise UpstreamProtocolError(text)
        if server.missing:
            raise UpstreamProtocolError(
                Text("letta_lacks", upstream=self.upstream, capabilities=", ".join(server.missing))
            )

    def _reads_all(self) -> bool:
        return any(each.whole_state for each in self._feeds.values())

    def _receive(self, connection: Connection, event: Frame) -> None:
        feed = self._feeds.get(conversation_of(event))
        if event.get("type") == "external_tool_call_request":
            # The server accepts the result from this connection only.
            self._calls.start(connection, event, None if feed is None else feed.toolbox)
        elif feed is not None:
            feed.put(connection, event)
        elif event.get("type") == END:
            connection.settle(conversation_of(event))

    def too_large(self) -> ResponseTooLarge:
        """Return the error for a response that is too large."""
        return ResponseTooLarge(Text("upstream_bytes", upstream=self.upstream, limit=self._max_frame))

    def _perhaps_arrived(self, text: Text) -> UpstreamUnreachable:
        error = UpstreamUnreachable(text)
        error.not_begun = error.retryable = False
        return error
