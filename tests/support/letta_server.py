"""The real Letta App Server, with its OpenAI API, as a context manager."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import sysconfig
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from support.fake_llm import MODEL, FakeLLM
from support.watchdog import ends_with_us, temporary_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

#: The installed version, or the program that TEST_LETTA names.
_LETTA = Path(os.environ.get("TEST_LETTA") or Path(sysconfig.get_path("scripts")) / "letta")
#: Seconds for the whole start.
_START = 60
#: Seconds for one command, of the command line or of the WebSocket.
_COMMAND = 30
_STOP = 10
_SETTINGS = ".letta/settings.json"
_LOG = "server.log"
_URL = re.compile(r"^OpenAI:\s+(http://127\.0\.0\.1:\d+)/v1$", re.MULTILINE)


class LettaServer:
    """Runs with a separate home folder while it is entered, with :class:`FakeLLM` behind its agents."""

    def __init__(self) -> None:
        self.llm = FakeLLM()
        self._stack = AsyncExitStack()
        #: The running process and the connections to it.
        self._server = AsyncExitStack()
        self._environment: dict[str, str] = {}
        self._root = ""
        self._agents: set[str] = set()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Base URL of its OpenAI API."""
        return f"{self._root}/v1"

    @property
    def root(self) -> str:
        """URL of the server."""
        return self._root

    @property
    def made(self) -> list[str]:
        """The files that its agents made, by "touch a file"."""
        return sorted(each.name for each in Path(self._environment["HOME"]).glob("made-*"))

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def port(self) -> int:
        """Port of its WebSocket and its OpenAI API."""
        return int(self._root.rpartition(":")[2])

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(_START):
                await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def create_agent(self, name: str) -> str:
        """Make an agent and return its id."""
        answer = await self.command("agent_create", body={"name": name, "model": f"openai-compatible/{MODEL}"})
        agent_id = str(answer["agent"]["id"])
        self._agents.add(agent_id)
        return agent_id

    async def rename_agent(self, agent_id: str, name: str) -> None:
        """Give an agent another name."""
        await self.command("agent_update", agent_id=agent_id, body={"name": name})

    async def delete_agent(self, agent_id: str) -> None:
        """Delete an agent."""
        await self.command("agent_delete", agent_id=agent_id)
        self._agents.discard(agent_id)

    async def clear(self) -> None:
        """Delete the agents and the files that they made; forget the questions of the language model."""
        for agent_id in [*self._agents]:
            await self.delete_agent(agent_id)
        self._delete_files()
        self.llm.asked.clear()

    async def write_memory(self, agent_id: str, name: str, content: bytes) -> None:
        """Write a file into the memory of an agent, and commit it."""
        encoded = base64.b64encode(content).decode()
        await self.command("write_memory_file", agent_id=agent_id, path=name, content=encoded, encoding="base64")

    async def delete_memory(self, agent_id: str, name: str) -> None:
        """Delete a file in the memory of an agent, and commit it."""
        await self.command("delete_memory_file", agent_id=agent_id, path=name)

    async def restart(self, *, kill: bool = False) -> None:
        """Stop the server, or *kill* it, and start it again at the same address with the same agents."""
        home = Path(self._environment["HOME"])
        if kill:
            self._signal(signal.SIGKILL)
        await self._stop_server()
        if kill:
            # A server that is killed while it writes the file forgets where its agents are.
            (home / _SETTINGS).write_bytes(self._settings)
        async with AsyncExitStack() as stack, asyncio.timeout(_START):
            await self._serve(stack, home, self._root.removeprefix("http://"))
            self._server = stack.pop_all()

    def freeze(self) -> None:
        """Stop the server with SIGSTOP; see :meth:`thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the frozen server go on."""
        self._signal(signal.SIGCONT)

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file in the folder in which its agents work."""
        file = Path(self._environment["HOME"]) / name
        return file.read_text("utf-8").splitlines() if file.exists() else []

    async def conversations(self, agent_id: str) -> list[str]:
        """Return the names of the conversations with an agent, apart from archived ones."""
        answer = await self.command("conversation_list", query={"agent_id": agent_id})
        return [str(each["summary"]) for each in answer["conversations"] if not each["archived"]]

    async def say(self, agent_id: str, conversation_id: str, words: str) -> None:
        """Ask an agent as another client, and wait for the end of the answer."""
        runtime = {"agent_id": agent_id, "conversation_id": conversation_id}
        message = {"role": "user", "content": words}
        async with self._socket() as socket:
            await socket.send_json({"type": "runtime_start", "request_id": "start", **runtime, "wait_for_replay": True})
            await _until(socket, "runtime_start_response")
            payload = {"kind": "create_message", "messages": [message]}
            await socket.send_json({"type": "input", "request_id": "say", "runtime": runtime, "payload": payload})
            await _until(socket, "turn_finished")

    async def command(self, kind: str, **arguments: Any) -> dict[str, Any]:
        """Send a command as another client, and return the response."""
        async with self._socket() as socket:
            await socket.send_json({"type": kind, "request_id": kind, **arguments})
            answer = await _until(socket, f"{kind}_response")
            assert answer["success"], answer
            return answer

    @asynccontextmanager
    async def _socket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        url = self._root.replace("http:", "ws:") + "/ws"
        async with (
            asyncio.timeout(_COMMAND),
            aiohttp.ClientSession() as session,
            session.ws_connect(url, max_msg_size=0) as socket,
        ):
            yield socket

    def _delete_files(self) -> None:
        for file in Path(self._environment["HOME"]).iterdir():
            if file.is_file() and file.name != _LOG:
                file.unlink()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    async def _start(self, stack: AsyncExitStack) -> None:
        await stack.enter_async_context(self.llm)
        home = stack.enter_context(temporary_folder("letta-"))
        environment = self._environment = {
            **os.environ,
            "HOME": str(home),
            "LETTA_TELEM": "0",
            "LETTA_DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        await _run(environment, "backend", "local")
        await _run(environment, "connect", "openai-compatible", "--base-url", self.llm.url, "--api-key", "sk-fake")
        self._settings = (home / _SETTINGS).read_bytes()
        await self._serve(self._server, home, "127.0.0.1:0")
        stack.push_async_callback(self._stop_server)

    async def _stop_server(self) -> None:
        await self._server.aclose()

    async def _serve(self, stack: AsyncExitStack, home: Path, address: str) -> None:
        log = home / _LOG
        with log.open("wb") as output:
            server = await _spawn(
                self._environment, "server", "--listen", f"ws://{address}", "--openai-api", output=output.fileno()
            )
        self._process = server
        stack.enter_context(ends_with_us("group", server.pid))
        stack.push_async_callback(stop_group, server)
        while (found := _URL.search(log.read_text())) is None:
            assert server.returncode is None, log.read_text()
            await asyncio.sleep(0.05)
        self._root = found[1]
        async with aiohttp.ClientSession() as session, session.get(f"{self._root}/readyz") as ready:
            assert ready.status == 200


async def _until(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """Return the next frame of a *kind*."""
    while True:
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, (message, socket.close_code, socket.exception())
        frame: dict[str, Any] = json.loads(message.data)
        if frame.get("type") == kind:
            return frame


async def _spawn(environment: dict[str, str], *arguments: str, output: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        _LETTA,
        *arguments,
        env=environment,
        cwd=environment["HOME"],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


async def _run(environment: dict[str, str], *arguments: str) -> None:
    process = await _spawn(environment, *arguments, output=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(_COMMAND):
            output, _ = await process.communicate()
    finally:
        await stop_group(process)
    assert process.returncode == 0, output.decode()


async def stop_group(process: asyncio.subprocess.Process) -> None:
    """End *process* and all of its process group."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            async with asyncio.timeout(_STOP):
                await process.wait()
        except TimeoutError:
            continue
