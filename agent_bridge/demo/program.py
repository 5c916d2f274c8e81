"""A program in a separate process, observed through its log: one JSON object per line on standard error."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self

from agent_bridge.core.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Maximum length of a line of the log in bytes.
LONGEST_LINE = 1024 * 1024
_STOP_WITHIN = 30.0
_TAIL = 20


class ProgramEnded(BridgeError):
    """A program ended unexpectedly; the message has the last lines of its log."""


class Process(Protocol):
    """The part of :class:`asyncio.subprocess.Process` that :class:`Program` needs."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def returncode(self) -> int | None:
        """Its exit code, minus the number of the signal that ended it; None while it runs."""
        ...

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """Its standard error."""
        ...

    async def wait(self) -> int:
        """Wait until it ends and return the exit code."""
        ...

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal. Harmless when it has ended."""
        ...

    def terminate(self) -> None:
        """Send it SIGTERM. Harmless when it has ended."""
        ...

    def kill(self) -> None:
        """Send it SIGKILL. Harmless when it has ended."""
        ...


async def start_module(module: str, *arguments: str) -> Process:
    """Start ``python -m`` *module* with *arguments*. It ends with this process."""
    # In a new session: Ctrl-C at the terminal reaches only this process, which then stops its programs in order.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent_bridge.demo.parent_watch", str(os.getpid()), module, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
        start_new_session=True,
    )


class Program:
    """A Python module that runs from entering to leaving the context. Leaving stops it in order.

    :meth:`on_event` sees every event of its log. *start* replaces the way in which the process is started.
    """

    def __init__(self, module: str, *arguments: str, start: Callable[..., Awaitable[Process]] = start_module) -> None:
        self._name = module
        self._start = partial(start, module, *arguments)
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._process = await self._start()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def on_event(self, event: dict[str, Any]) -> None:
        """Process *event*, a line of the log."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it with SIGKILL, like a power failure."""
        self._process.kill()
        await self.wait()

    async def stop(self) -> int:
        """End it with SIGTERM, or with SIGKILL after 30 s; return its exit code."""
        if self.running:
            self._process.terminate()
            try:
                async with asyncio.timeout(_STOP_WITHIN):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        return await self.wait()

    async def wait(self) -> int:
        """Wait until it has ended and its log is read; return its exit code (of a signal: minus its number)."""
        code = await self._process.wait()
        await self._reading
        return code

    async def wait_until(self, condition: Callable[[], bool], within: float = 60) -> None:
        """Wait until *condition* holds, which is evaluated after every event.

        Raises:
            ProgramEnded: the program ended first.
            TimeoutError: the condition did not hold within *within* seconds.
        """
        async with asyncio.timeout(within):
            while not condition():
                if self._reading.done():
                    raise await self.ended()
                await self._news.wait()

    async def ended(self) -> ProgramEnded:
        """Wait until it ends, and return the error that says so."""
        code = await self.wait()
        return ProgramEnded(f"{self._name} ended by itself with exit code {code}:\n" + "\n".join(self._tail))

    async def _read(self) -> None:
        stream = self._process.stderr
        if stream is None:
            raise LookupError("the process was started without a pipe")
        try:
            async for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip()
                self._tail.append(line)
                # A traceback is not an event, and a kill may cut off the last line.
                if raw.startswith(b"{") and raw.endswith(b"}\n"):
                    self.on_event(json.loads(line))
                self._wake()
        finally:
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
