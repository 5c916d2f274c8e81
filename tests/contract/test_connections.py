"""Connections that say nothing end, and their number is limited."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from agent_bridge.api.problems import problem_content
from agent_bridge.core.program_problems import Problem
from agent_bridge.matrix.appservice import OF_PROGRAM, AppServiceEndpoint
from agent_bridge.web.application import application
from agent_bridge.web.connections import Connections, Limits
from agent_bridge.web.health import HealthPages
from contract.test_appservice import Recorder
from support.conditions import DEADLINE, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "hs-token"
HEAD = b"GET /healthz HTTP/1.1\r\nHost: bridge\r\n"
BEARER = f"Host: b\r\nAuthorization: Bearer {TOKEN}\r\n"
PING = f"POST /_matrix/app/v1/ping HTTP/1.1\r\n{BEARER}Content-Length: 2\r\n\r\n{{}}"


def test_the_process_permits_many_descriptors_and_no_core_dump() -> None:
    program = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, min(500, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))\n"
        "from agent_bridge.cli.process import set_limits\n"
        "set_limits()\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["500", "0"]


class Server:
    """The endpoint with limits, on 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self._by_reader: dict[asyncio.StreamReader, asyncio.StreamWriter] = {}

    async def connect(self, data: bytes = b"") -> asyncio.StreamReader:
        """Open a connection and send *data*."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        self._by_reader[reader] = writer
        writer.write(data)
        await writer.drain()
        return reader

    def write(self, data: bytes) -> None:
        """Send *data* on the last connection."""
        self._writers[-1].write(data)

    def write_on(self, reader: asyncio.StreamReader, data: bytes) -> None:
        """Send *data* on the connection of *reader*."""
        self._by_reader[reader].write(data)

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class Programs:
    """A route of programs whose tokens count."""

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/program", self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        request[OF_PROGRAM] = True
        return web.Response(status=204)


@asynccontextmanager
async def serving(limits: Limits, body_timeout: float = 60) -> AsyncIterator[Server]:
    async def upstreams() -> list[object]:
        return []

    endpoint = AppServiceEndpoint(TOKEN, Recorder(), body_timeout=body_timeout)
    pages = HealthPages({"database": upstreams}, upstreams, endpoint.authorises)  # type: ignore[arg-type]
    runner = web.AppRunner(application(endpoint, pages, Programs()), access_log=None)
    await runner.setup()
    assert isinstance(runner.server, web.Server)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(Connections(runner.server, limits).accept, "127.0.0.1", 0)
    server = Server(listening.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        server.close()
        listening.close()
        await runner.cleanup()


async def ends(reader: asyncio.StreamReader, within: float = 5) -> bool:
    """Tell whether the server closes the connection."""
    try:
        async with asyncio.timeout(within):
            while await reader.read(4096):
                pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


async def test_many_that_connect_at_the_same_moment_are_all_served() -> None:
    async with serving(Limits(strangers=3, grace=DEADLINE)) as server:
        readers = [await server.connect() for _ in range(10)]
        for reader in readers:
            server.write_on(reader, HEAD + b"\r\n")
        assert all([b" 200 " in await reader.readline() for reader in readers])


async def test_all_connections_together_have_a_limit_at_every_moment() -> None:
    async with serving(Limits(strangers=3, total=5, grace=DEADLINE)) as server:
        silent = [await server.connect(HEAD) for _ in range(10)]
        assert [await ends(reader) for reader in silent[:5]] == [True] * 5
        assert not await ends(silent[-1], within=0.2)


@pytest.mark.parametrize(
    "data",
    [b"", HEAD, HEAD + b"\r\n", HEAD + b"\r\n" + HEAD, b"PUT /_matrix/app/v1/transactions/1 HTTP/1.1\r\n"],
    ids=["nothing", "half a head", "a request and nothing", "a request and half a head", "the first line"],
)
async def test_a_stranger_has_a_limited_time(data: bytes) -> None:
    async with serving(Limits(head=0.3)) as server:
        assert await ends(await server.connect(data))


async def test_the_homeserver_may_be_idle() -> None:
    async with serving(Limits(head=0.3)) as server:
        reader = await server.connect(PING.encode())
        assert not await ends(reader, within=1)
        server.write(HEAD)
        assert await ends(reader), "half a head is not waited for"


async def test_a_program_may_be_idle_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    program = b"GET /program HTTP/1.1\r\nHost: b\r\n\r\n"
    async with serving(Limits(head=0.3, idle=1.5, strangers=3, total=6, grace=0)) as server:
        idle, begun = [await server.connect(program) for _ in range(2)]
        assert not await ends(idle, within=0.7)
        server.write_on(begun, HEAD)
        assert await ends(begun, within=0.9), "half a head is not waited for"
        assert await ends(idle)
        closed = [each.getMessage() for each in caplog.records]
        assert [each.endswith("no request within 0.3 s") for each in closed] == [True]
    async with serving(Limits(strangers=3, total=6, grace=0)) as server:
        idle = await server.connect(program)
        assert b" 204 " in await idle.readline()
        strangers = [await server.connect(HEAD) for _ in range(4)]
        assert await ends(strangers[0])
        assert not await ends(idle, within=0.2), "a stranger ends first"
        programs = [await server.connect(program) for _ in range(6)]
        assert await ends(idle), "there are too many of all"
        assert b" 204 " in await programs[-1].readline()


async def test_a_body_has_a_limited_time() -> None:
    head = f"PUT /_matrix/app/v1/transactions/1 HTTP/1.1\r\n{BEARER}"
    async with serving(Limits(head=0.3), body_timeout=0.3) as server:
        reader = await server.connect((head + "Content-Length: 100\r\n\r\n{").encode())
        assert b" 408 " in await reader.readline()


async def test_a_further_stranger_replaces_the_oldest_and_the_homeserver_stays() -> None:
    async with serving(Limits(strangers=3, grace=0)) as server:
        known = await server.connect(PING.encode())
        assert b" 200 " in await known.readline()
        silent = [await server.connect(HEAD) for _ in range(10)]
        again = await server.connect(HEAD + b"\r\n")
        assert b" 200 " in await again.readline()
        assert [await ends(reader) for reader in silent[:7]] == [True] * 7
        assert not await ends(known, within=0.2)


@pytest.mark.parametrize(
    "data",
    [
        b"POST /v1/triggers/callback/the-secret?" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        HEAD + b"Authorization: Bearer the-secret" + b"x" * 9000 + b"\r\n\r\n",
        HEAD + b"Content-Length: the-secret\r\n\r\n",
        HEAD + b"Content-Type: application/json; charset=the-secret\x01\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\nthe-secret\r\n",
    ],
    ids=["path", "header", "length", "charset", "chunk"],
)
async def test_the_log_has_nothing_of_a_request_that_is_not_http(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with serving(Limits()) as server:
        reader = await server.connect(data)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b" 400 " in head
        assert b"Content-Type: application/problem+json" in head
        assert json.loads(body) == problem_content(Problem.INVALID_REQUEST, "the request is not valid HTTP")
    (record,) = caplog.records
    assert record.getMessage().startswith("a request from 127.0.0.1 is refused, it is not valid HTTP: ")
    assert record.exc_info is None
    assert "the-secret" not in caplog.text


async def test_more_silent_connections_than_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        # The other ends of the connections are in this process, too.
        async with serving(replace(Limits.of_process(), grace=0)) as server:
            for _ in range(400):
                await server.connect()

            async def answers() -> bool:
                reader = await server.connect(HEAD + b"\r\n")
                return b" 200 " in await reader.readline()

            await eventually(answers, "the endpoint answers")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_an_unknown_path_of_programs_is_an_error_in_json() -> None:
    async with serving(Limits()) as server:
        reader = await server.connect(b"GET /v1/nothing HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 404")
        assert answer.endswith(b'{"error": {"code": "not_found", "message": "there is no such path"}}')
