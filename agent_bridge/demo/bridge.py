"""The bridge as the demo runs it: the real command in a process of its own, watched through its log."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from agent_bridge.core.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TAIL = 20
_LONGEST_LINE = 1024 * 1024
_STOP_WITHIN = 30.0


class DemoError(BridgeError):
    """The demo could not go on; the message says why."""


class BridgeProcess:
    """``agent-bridge run`` with *config*, from entering to leaving the context. *hear* gets every event it logs."""

    def __init__(self, config: Path, hear: Callable[[dict[str, Any]], None]) -> None:
        self._config = config
        self._hear = hear
        self._tail: deque[str] = deque(maxlen=_TAIL)
        #: How many agents the upstream listed when it was first reached.
        self.agents: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        #: Whether the first question got its answer.
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        # A session of its own: Ctrl-C at the terminal reaches the demo alone, which then stops its parts in order.
        command = (sys.executable, "-m", "agent_bridge.demo.parent_watch", str(os.getpid()), "agent_bridge", "run")
        self._process = await asyncio.create_subprocess_exec(
            *command,
            "--config",
            str(self._config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            start_new_session=True,
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(_STOP_WITHIN):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self._listening

    async def ended(self) -> None:
        """Wait until the process ends, which it should not.

        Raises:
            DemoError: always; with the last lines it said.
        """
        await self._process.wait()
        await asyncio.wait({self._listening})
        said = "\n".join(self._tail)
        raise DemoError(f"the bridge ended by itself with exit code {self._process.returncode}:\n{said}")

    async def _listen(self) -> None:
        stream = self._process.stderr
        if stream is None:
            raise LookupError("the process was started without a pipe")
        async for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip()
            self._tail.append(line)
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") == "upstream reachable" and not self.agents.done():
                self.agents.set_result(event["agents"])
            if event.get("event") in {"answer sent", "answer failed"} and not self.answered.done():
                self.answered.set_result(event["event"] == "answer sent")
            self._hear(event)
