"""Processes that take part in a measurement."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agent_bridge.core.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable

_TOP = Path(__file__).resolve().parent.parent
_LONGEST_LINE = 1024 * 1024
_STOP_WITHIN = 30.0
_TAIL = 20


class ProgramEnded(BridgeError):
    """A process ended by itself; the message has its last words."""


class Program:
    """A Python module in a process of its own, from entering to leaving the context.

    What it logs (a JSON object a line, on standard error) is kept in :attr:`heard`, by event, and in
    :attr:`first_heard` when each event came first, by :func:`time.monotonic`.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = (sys.executable, "-m", "agent_bridge.demo.parent_watch", str(os.getpid()), module, *arguments)
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._news = asyncio.Event()
        self.heard: dict[str, list[dict[str, Any]]] = {}
        self.first_heard: dict[str, float] = {}

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=_TOP,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            start_new_session=True,
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End it as an operator would. Harmless when it has ended."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(_STOP_WITHIN):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self._listening

    async def kill(self) -> None:
        """End it by SIGKILL, as a power cut would."""
        self._process.kill()
        await self._process.wait()
        await self._listening

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def hears(self, condition: Callable[[], bool], within: float = 60) -> None:
        """Wait until *condition* holds, which is looked at with every event that is logged.

        Raises:
            ProgramEnded: it ended before.
            TimeoutError: that took longer than *within* seconds.
        """
        async with asyncio.timeout(within):
            while not condition():
                if self._listening.done():
                    raise ProgramEnded(f"{self._command[4]} ended by itself:\n" + "\n".join(self._tail))
                await self._news.wait()

    async def logs(self, event: str) -> None:
        """Wait until it has logged *event*; raises what :meth:`hears` raises."""
        await self.hears(lambda: event in self.heard)

    async def _listen(self) -> None:
        stream = self._process.stderr
        if stream is None:
            raise LookupError("the process was started without a pipe")
        try:
            async for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip()
                self._tail.append(line)
                if line.startswith("{"):
                    event = json.loads(line)
                    self.heard.setdefault(event["event"], []).append(event)
                    self.first_heard.setdefault(event["event"], time.monotonic())
                self._wake()
        finally:
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
