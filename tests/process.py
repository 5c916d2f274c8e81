"""The bridge as a process of its own, which can be killed."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, Self

from agent_bridge.config.example import render

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config

_STOP_WITHIN = 30


class BridgeProcess:
    """``agent-bridge`` *command* with *config*, from entering to leaving the context."""

    def __init__(self, folder: Path, config: Config, command: str = "run") -> None:
        self._file = folder / "config.yaml"
        self._file.touch(mode=0o600)
        self._file.write_text(render(config), encoding="utf-8")
        self._command = command
        #: What it logged, one event each.
        self.events: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent_bridge", self._command, "--config", str(self._file)),
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            await self.stop()

    async def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def stop(self) -> int:
        """End it as an operator would, and return its exit code."""
        self._process.terminate()
        async with asyncio.timeout(_STOP_WITHIN):
            code = await self._process.wait()
            await self._reading
        return code

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines that say *event*."""
        return [line for line in self.events if line["event"] == event]

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.events.append(json.loads(line))
