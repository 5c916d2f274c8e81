"""The faults of a run: which kinds it can have, and the lines that spoil data."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from crash.database import Embedded, External
from crash.faults import FAULTS, deck, half_sent, unanswered
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUESTION = b"how are you"


@asynccontextmanager
async def echo_server(heard: list[bytes]) -> AsyncIterator[int]:
    """Give the port of a server that repeats what it hears."""

    ends: list[asyncio.Event] = []

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(end := asyncio.Event())
        with suppress(ConnectionError):
            while data := await reader.read(100):
                heard.append(data)
                writer.write(data)
        writer.close()
        end.set()

    server = await asyncio.start_server(repeat, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for end in ends:
            await end.wait()


async def ask(port: int) -> bytes:
    """Send the question to *port* and return the response; empty if the connection ends instead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(QUESTION)
        return await reader.read(100)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_line_loses_a_half_or_the_response_and_works_again() -> None:
    heard: list[bytes] = []
    async with echo_server(heard) as port, Line(port) as line:
        whole = line.spoils
        assert await ask(line.port) == QUESTION
        line.spoils = half_sent
        assert await ask(line.port) == b""
        line.spoils = unanswered
        assert await ask(line.port) == b""
        line.spoils = whole
        assert await ask(line.port) == QUESTION
        assert heard == [QUESTION, QUESTION[:5], QUESTION, QUESTION]


async def test_a_reset_line_ends_the_open_connections_only() -> None:
    async with echo_server([]) as port, Line(port) as line:
        reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
        writer.write(QUESTION)
        assert await reader.read(100) == QUESTION
        line.reset()
        assert await reader.read(100) == b""
        writer.close()
        assert await ask(line.port) == QUESTION


async def test_a_line_refuses_what_its_target_refuses() -> None:
    async with echo_server([]) as port:
        pass
    async with Line(port) as line:
        assert await ask(line.port) == b""


def test_the_names_of_the_faults_are_unique() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_each_kind_of_fault_is_in_some_deck() -> None:
    decks = [
        deck(database=database, processes=processes, synapse=True, quick=False)
        for database, processes in ((External, 2), (External, 1), (Embedded, 1))
    ]
    assert {fault.name for each in decks for fault in each} == {fault.name for fault in FAULTS}


def test_a_deck_without_the_homeserver_s_own_faults_has_those_on_the_way_to_it() -> None:
    names = {fault.name for fault in deck(database=External, processes=1, synapse=False, quick=True)}
    assert "to the homeserver: reset" in names
    assert not {name for name in names if name.startswith("homeserver")}
    assert "SIGSTOP of the leader" not in names
