"""A line to a server that a test can cut, silence or spoil.

A cut line refuses connections, and the open ones end. On a silent line the open connections stay open, swallow all that
is sent and say nothing; new connections work, as after the restart of a tunnel whose other end is gone. A spoiled line
loses a part of the data and ends the connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """Data that arrived at a line."""

    data: bytes
    #: Whether it is on its way to the target; otherwise it is on its way back.
    to_target: bool
    #: A number of the connection.
    connection: int


class Line:
    """Passes TCP connections on to *target* from a port that stays the same.

    *target* is a port of 127.0.0.1 or the path of a Unix socket.
    """

    def __init__(self, target: int | str) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._connections = 0
        self.port = 0
        #: Where it gives data, only that data is passed on instead of the piece, and the connection ends.
        self.spoils: Callable[[Piece], bytes | None] = lambda _piece: None

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse connections from now on, and drop the open ones."""
        self._server.close()
        self.reset()
        await self._server.wait_closed()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def reset(self, number: int | None = None) -> None:
        """Drop the open connections, or about one of two of them by *number*; new ones work."""
        for at, writer in enumerate(list(self._writers)):
            if number is None or at // 2 % 2 == number % 2:
                writer.transport.abort()

    def silence(self) -> None:
        """Let the open connections swallow everything from now on."""
        self._silent |= self._writers

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._connections += 1
        number = self._connections
        try:
            if isinstance(self._target, int):
                there, back = await asyncio.open_connection("127.0.0.1", self._target)
            else:
                there, back = await asyncio.open_unix_connection(self._target)
        except OSError:
            # The target refuses the connection, and so does the line.
            writer.transport.abort()
            return
        both = {writer, back}
        self._writers |= both
        try:
            await asyncio.gather(
                self._pass(reader, back, number, to_target=True), self._pass(there, writer, number, to_target=False)
            )
        finally:
            self._writers -= both
            for each in both:
                each.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, *, to_target: bool
    ) -> None:
        try:
            while data := await reader.read(_CHUNK):
                if writer in self._silent:
                    continue
                rest = self.spoils(Piece(data, to_target, number))
                writer.write(data if rest is None else rest)
                await writer.drain()
                if rest is not None:
                    raise ConnectionAbortedError
            if writer not in self._silent:
                writer.write_eof()
        except OSError:
            writer.transport.abort()
