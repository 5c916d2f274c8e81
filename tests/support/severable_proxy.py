"""A line to a server that a test can cut or silence.

A cut line refuses connections, and the open ones end. On a silent line the open connections stay open, swallow all that
is sent and say nothing; new connections work, as after the restart of a tunnel whose other end is gone.
"""

from __future__ import annotations

import asyncio
from typing import Self

_CHUNK = 64 * 1024


class Line:
    """Passes TCP connections on to *target* from a port that stays the same.

    *target* is a port of 127.0.0.1 or the path of a Unix socket.
    """

    def __init__(self, target: int | str) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self.port = 0

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
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def silence(self) -> None:
        """Let the open connections swallow everything from now on."""
        self._silent |= self._writers

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if isinstance(self._target, int):
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        else:
            there, back = await asyncio.open_unix_connection(self._target)
        both = {writer, back}
        self._writers |= both
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            self._writers -= both
            for each in both:
                each.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                if writer not in self._silent:
                    writer.write(data)
                    await writer.drain()
            if writer not in self._silent:
                writer.write_eof()
        except OSError:
            writer.transport.abort()
