"""The bridge as a process of its own, which can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agent_bridge.config.example import render
from support.conditions import eventually

if TYPE_CHECKING:
    from agent_bridge.config.model import Config

_STOP_WITHIN = 30


#: What is started, as arguments of the interpreter, before the command line proper.
_PROGRAM = ("-m", "agent_bridge")


class BridgeProcess:
    """``agent-bridge`` *command* with *config*, from entering to leaving the context.

    *program* may be a launcher of the tests, which runs the same command line.
    """

    def __init__(
        self, folder: Path, config: Config, command: str = "run", *, program: tuple[str, ...] = _PROGRAM
    ) -> None:
        self._file = folder / "config.yaml"
        self._file.touch(mode=0o600)
        self._file.write_text(render(config), encoding="utf-8")
        self._command = command
        self._program = program
        #: What it logged, one event each.
        self.events: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, *self._program, self._command, "--config", str(self._file)),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            await self.stop()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

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

    async def ended(self, within: float) -> int:
        """Wait until it ended by itself, and return its exit code (of a signal: minus its number)."""
        async with asyncio.timeout(within):
            code = await self._process.wait()
            await self._reading
        return code

    async def wait_for(self, event: str, within: float = 15) -> None:
        """Wait until it logged *event*; fail when it ends before."""

        async def logged() -> bool:
            if self._process.returncode is not None:
                raise AssertionError(f"ended with code {self._process.returncode}, having said {self.events[-5:]}")
            return bool(self.logged(event))

        await eventually(logged, f"the bridge says {event!r}", within)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines that say *event*."""
        return [line for line in self.events if line["event"] == event]

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            # A kill may cut the last line.
            if line.endswith(b"\n"):
                self.events.append(_event(line))


def _event(line: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        # The interpreter's own words: a traceback at its end.
        return {"event": line.decode(errors="replace").rstrip(), "level": "critical"}
