"""A small TCP load balancer: one address in front of several doors."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_BYTES = 65536
_HOST = "127.0.0.1"


class Balancer:
    """Listens on *port* and passes each connection on to one of the *doors* that accept, in turn.

    A connection whose door dies is closed; its data is never repeated.
    """

    def __init__(self, port: int, doors: Sequence[int]) -> None:
        self._port = port
        self._doors = list(doors)
        self._passing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, _HOST, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for _ in self._doors:
                self._doors.append(door := self._doors.pop(0))
                with contextlib.suppress(ConnectionRefusedError):
                    behind_reader, behind_writer = await asyncio.open_connection(_HOST, door)
                    await _join(reader, writer, behind_reader, behind_writer)
                    return
        finally:
            writer.close()


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    behind_reader: asyncio.StreamReader,
    behind_writer: asyncio.StreamWriter,
) -> None:
    """Pass bytes both ways until one side ends."""
    ways = {asyncio.create_task(_pass(reader, behind_writer)), asyncio.create_task(_pass(behind_reader, writer))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        behind_writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_BYTES):
            writer.write(data)
            await writer.drain()
