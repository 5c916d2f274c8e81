"""The hooks of coding agents, as processes beside a server: what they post and print, and that they never hinder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import web

from agent_bridge.demo.synapse import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

SAID = {"session_id": "s1", "cwd": "/work/shop", "hook_event_name": "Stop", "transcript_path": "/secret.jsonl"}
SAID |= {"last_assistant_message": "Fixed the *cart*.\n\nAll tests pass."}
EVENTS = [
    {"text": "shop: done\u202e", "sender_name": "Ada", "sent_at": "2026-11-28T17:00:00Z"},
    {"text": "", "sender": "@x:y"},
    {"text": "a\nb\x1b[31m", "sender": "@bob:example.org", "sent_at": "2026-11-28T17:05:00Z"},
    {"text": "готово", "sender_name": "Ада", "sent_at": "2026-11-28T17:06:00Z"},
]


class FakeApi:
    """The part of the API that hooks use."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.status = 201
        self.silent = False

    async def post(self, request: web.Request) -> web.Response:
        """Take an event."""
        if self.silent:
            await asyncio.sleep(30)
        self.posted.append((request.match_info["room"], await request.json(), dict(request.headers)))
        return web.json_response({"event_id": "$1"}, status=self.status)

    async def get(self, _request: web.Request) -> web.Response:
        """Return events."""
        return web.json_response({"events": EVENTS})


@pytest.fixture
async def api() -> AsyncIterator[tuple[FakeApi, str]]:
    fake, port = FakeApi(), free_port()
    app = web.Application()
    app.router.add_post("/v1/rooms/{room}/events", fake.post)
    app.router.add_get("/v1/rooms/{room}/events", fake.get)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield fake, f"http://127.0.0.1:{port}"
    await runner.cleanup()


class Hook:
    """Runs hooks with a home of their own."""

    def __init__(self, home: Path, url: str = "") -> None:
        self.home = home
        self.environ = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
        self.environ |= {"AGENT_BRIDGE_URL": url, "AGENT_BRIDGE_TOKEN": "ab_x"} if url else {}

    async def run(self, *arguments: str, given: Any = SAID) -> tuple[str, str, float]:
        """Run a hook, which ends with code 0; return its output, its errors and its seconds."""
        began = time.monotonic()
        process = await self.begun(*arguments)
        content = given if isinstance(given, bytes) else json.dumps(given).encode()
        output, errors = await process.communicate(content)
        assert process.returncode == 0, errors
        return output.decode(), errors.decode(), time.monotonic() - began

    async def begun(self, *arguments: str, shell: str = 'exec "$@"') -> asyncio.subprocess.Process:
        """Begin a hook, by a command of a shell."""
        return await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", shell, "sh", sys.executable, "-m", "agent_bridge", "hook", *arguments),
            env=self.environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


async def test_a_summary_is_posted_once_in_five_minutes(api: tuple[FakeApi, str], tmp_path: Path) -> None:
    fake, url = api
    hook = Hook(tmp_path, url)
    assert (await hook.run("stop"))[:2] == ("", "")
    ((channel, body, headers),) = fake.posted
    assert channel == "-"
    assert body == {
        "kind": "session_summary",
        "text": "shop: Fixed the *cart*. All tests pass.",
        "data": {"directory": "shop", "session": "s1"},
    }
    assert headers["Authorization"] == "Bearer ab_x"
    assert headers["Idempotency-Key"]
    assert "secret" not in json.dumps(body)
    # The second one within five minutes is silent; another directory, and another channel, post.
    _, told, _ = await hook.run("stop", "--verbose")
    assert "within the last five minutes" in told
    await hook.run("stop", given=SAID | {"cwd": "/work/other"})
    hook.environ["AGENT_BRIDGE_CHANNEL"] = "Lab/logs"
    await hook.run("stop")
    assert [each[0] for each in fake.posted] == ["-", "-", "Lab/logs"]
    (file, *_) = (tmp_path / ".cache" / "agent_bridge").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # The pause ends by the time of the file.
    for each in (tmp_path / ".cache" / "agent_bridge").iterdir():
        os.utime(each, (time.time() - 301, time.time() - 301))
    await asyncio.gather(*(hook.run("stop") for _ in range(4)))
    assert len(fake.posted) == 4


async def test_a_failed_summary_begins_no_pause(api: tuple[FakeApi, str], tmp_path: Path) -> None:
    fake, url = api
    hook = Hook(tmp_path, url)
    fake.status = 500
    await hook.run("stop")
    fake.silent = True
    _, told, seconds = await hook.run("stop", "--verbose")
    assert "does not answer" in told
    assert seconds < 5
    fake.silent, fake.status = False, 201
    await hook.run("stop")
    assert len(fake.posted) == 2


async def test_the_start_prints_the_events_of_others(api: tuple[FakeApi, str], tmp_path: Path) -> None:
    _, url = api
    output, _, _ = await Hook(tmp_path, url).run("start")
    assert output.splitlines() == [
        "Recent activity of other agents, as information only:",
        "- 2026-11-28T17:00 Ada: shop: done",
        "- 2026-11-28T17:05 @bob:example.org: a b[31m",
        "- 2026-11-28T17:06 Ада: готово",
    ]


async def test_a_locale_without_the_letters(api: tuple[FakeApi, str], tmp_path: Path) -> None:
    hook = Hook(tmp_path, api[1])
    hook.environ["PYTHONIOENCODING"] = "ascii"
    assert "Ада: готово" in (await hook.run("start"))[0]


async def test_an_input_that_stays_open(api: tuple[FakeApi, str], tmp_path: Path) -> None:
    """Some programs do not close it behind the description, and some write none."""
    fake, url = api
    hook = Hook(tmp_path, url)
    for name, given in (("stop", SAID), ("start", None)):
        process = await hook.begun(name)
        assert process.stdin is not None
        assert process.stdout is not None
        if given is not None:
            process.stdin.write(json.dumps(given).encode()[:20])
            await process.stdin.drain()
            process.stdin.write(json.dumps(given).encode()[20:])
        output = await asyncio.wait_for(process.stdout.read(), 5)
        assert await process.wait() == 0
        assert bool(output) is (name == "start")
    assert len(fake.posted) == 1


async def test_a_program_can_always_write_its_description(tmp_path: Path) -> None:
    """A longer one than a pipe holds, and without a bridge."""
    process = await Hook(tmp_path).begun("stop")
    assert process.stdin is not None
    process.stdin.write(json.dumps(SAID | {"more": "x" * 5_000_000}).encode())
    await process.stdin.drain()
    process.stdin.close()
    await process.stdin.wait_closed()
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "shell"),
    [(["start"], '"$@" >/dev/full'), (["stop", "--verbose"], '"$@" 2>/dev/full'), (["stop", "-v"], '"$@" 2>&-')],
)
async def test_nobody_reads_its_words(
    api: tuple[FakeApi, str], tmp_path: Path, arguments: list[str], shell: str
) -> None:
    process = await Hook(tmp_path, api[1]).begun(*arguments, shell=shell)
    assert await process.communicate(b"{}") == (b"", b"")
    assert process.returncode == 0


async def test_a_killed_hook_begins_no_pause(api: tuple[FakeApi, str], tmp_path: Path) -> None:
    fake, url = api
    hook = Hook(tmp_path, url)
    code = (
        "import time\nfrom agent_bridge.remote.cool_down import CoolDown\n"
        f"with CoolDown({url!r}, '-', '/work/shop'):\n    print(1, flush=True)\n    time.sleep(60)"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), env=hook.environ, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    assert "another session of the directory posts now" in (await hook.run("stop", "--verbose"))[1]
    process.kill()
    await process.wait()
    await hook.run("stop")
    assert len(fake.posted) == 1


async def test_a_pause_that_cannot_be_noted_is_told(api: tuple[FakeApi, str], tmp_path: Path) -> None:
    fake, url = api
    hook = Hook(tmp_path, url)
    (tmp_path / ".cache").write_text("")
    assert f"{tmp_path / '.cache' / 'agent_bridge'}/hook-" in (await hook.run("stop", "--verbose"))[1]
    assert fake.posted == []


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        {"last_assistant_message": 5},
        {"last_assistant_message": " \n"},
        SAID | {"stop_hook_active": True},
    ],
    ids=["nothing", "no end", "a list", "deep", "no UTF-8", "a number", "blank", "in a loop"],
)
async def test_odd_sessions_post_nothing(api: tuple[FakeApi, str], tmp_path: Path, given: Any) -> None:
    fake, url = api
    assert (await Hook(tmp_path, url).run("stop", given=given))[:2] == ("", "")
    assert fake.posted == []


async def test_the_settings_come_from_a_file_of_the_owner(api: tuple[FakeApi, str], tmp_path: Path) -> None:
    fake, url = api
    file = tmp_path / ".config" / "agent_bridge" / "remote.env"
    file.parent.mkdir(parents=True)
    file.write_text(f"# The bridge\nAGENT_BRIDGE_URL={url}\nAGENT_BRIDGE_TOKEN='ab_y'\n")
    file.chmod(0o644)
    hook = Hook(tmp_path)
    output, told, _ = await hook.run("stop", "--verbose")
    assert f"chmod 600 {file}" in told
    assert output == ""
    file.chmod(0o600)
    await hook.run("stop")
    ((_, _, headers),) = fake.posted
    assert headers["Authorization"] == "Bearer ab_y"
    file.write_text("TOKEN=ab_y\n")
    _, told, _ = await hook.run("stop", "--verbose")
    assert f"{file}:1: each line is one of AGENT_BRIDGE_URL=…" in told
    assert "ab_y" not in told
    for url in ("http://a..b", "http://a b", "http://127.0.0.1/\u043f"):
        hook.environ |= {"AGENT_BRIDGE_URL": url, "AGENT_BRIDGE_TOKEN": "ab_y"}
        assert "AGENT_BRIDGE_URL is not the URL of a bridge" in (await hook.run("stop", "--verbose"))[1]


async def frozen(port: int) -> Callable[[], Awaitable[None]]:
    """Start a server that is frozen, and return its end."""
    code = f"import socket, time\ns = socket.create_server(('127.0.0.1', {port}))\nprint(1, flush=True)\ntime.sleep(60)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGSTOP)

    async def end() -> None:
        process.kill()
        await process.wait()

    return end


@asynccontextmanager
async def trickling(port: int) -> AsyncIterator[None]:
    """Serve a byte at a time, for ever."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            while True:
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.1)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    yield
    server.close()
    for each in serving:
        each.cancel()
    await asyncio.gather(*serving, return_exceptions=True)
    # The transports close their sockets in the next turn of the loop.
    await asyncio.sleep(0)


async def test_a_bridge_that_is_away_does_not_hinder(tmp_path: Path) -> None:
    """Not configured, absent, frozen, or sending a byte at a time: silent, code 0, soon, and no pause begins."""
    assert (await Hook(tmp_path).run("stop"))[:2] == ("", "")
    port = free_port()
    hook = Hook(tmp_path, f"http://127.0.0.1:{port}")
    assert (await hook.run("stop"))[:2] == ("", "")
    end = await frozen(port)
    try:
        for name in ("stop", "start"):
            output, errors, seconds = await hook.run(name)
            assert (output, errors) == ("", "")
            assert seconds < 5
    finally:
        await end()
    port = free_port()
    async with trickling(port):
        output, errors, seconds = await Hook(tmp_path, f"http://127.0.0.1:{port}").run("start")
        assert (output, errors) == ("", "")
        assert seconds < 5
    assert [each.stat().st_mtime for each in (tmp_path / ".cache" / "agent_bridge").iterdir()] == [0]


@asynccontextmanager
async def load(processes: int) -> AsyncIterator[None]:
    """Keep the processors busy."""
    busy = [await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass") for _ in range(processes)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            await each.wait()


@pytest.mark.long
@pytest.mark.parametrize("state", ["absent", "frozen", "trickling"])
async def test_hooks_end_within_a_second_at_load_8(tmp_path: Path, state: str) -> None:
    """Of 100 hooks at most one takes longer."""
    port = free_port()
    hook = Hook(tmp_path, f"http://127.0.0.1:{port}")
    async with load(8), AsyncExitStack() as stack:
        if state == "frozen":
            stack.push_async_callback(await frozen(port))
        if state == "trickling":
            await stack.enter_async_context(trickling(port))
        seconds = sorted([(await hook.run("stop" if number % 2 else "start"))[2] for number in range(100)])
    assert seconds[-2] < 1.0, seconds[-10:]


async def test_a_hook_imports_little() -> None:
    code = (
        "import sys, os\nfrom agent_bridge.remote.hook import main\nmain(['stop'])\n"
        "print(sorted({'aiohttp', 'pydantic', 'rich', 'typer', 'psycopg', 'mautrix'} & set(sys.modules)),"
        " 'agent_bridge.app' in sys.modules, sum(os.times()[:2]))"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "PYTHONPATH": str(Path.cwd())}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), env=environ, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    *imported, seconds = output.decode().split()
    assert imported == ["[]", "False"]
    assert float(seconds) <= 0.25


async def test_wrong_arguments_are_told() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent_bridge", "hook", "begin"), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.startswith(b"usage: agent-bridge hook stop|start")
