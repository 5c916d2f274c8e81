"""The bridge as a separate process, which can be killed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from agent_bridge.config.example import render
from agent_bridge.demo.program import Program
from support.conditions import DEADLINE
from support.forked import fork_module

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config


def write_config(folder: Path, config: Config) -> Path:
    """Write *config* like an operator; return the file."""
    file = folder / "config.yaml"
    file.touch(mode=0o600)
    file.write_text(render(config), encoding="utf-8")
    return file


async def run_command(*arguments: str) -> tuple[int, str]:
    """Run ``agent-bridge`` with *arguments* in a forked process; return its exit code and its output."""
    process = await fork_module("agent_bridge", *arguments, join_output=True)
    output = await process.stderr.read()
    return await process.wait(), output.decode()


class BridgeProcess(Program):
    """``agent-bridge`` *command* with *config*, forked from a process that has imported it.

    *launcher* is a module of the tests and its arguments, which runs the same command line.
    """

    def __init__(
        self, folder: Path, config: Config, command: str = "run", *, launcher: tuple[str, ...] = ("agent_bridge",)
    ) -> None:
        super().__init__(*launcher, command, "--config", str(write_config(folder, config)), start=fork_module)
        #: Its log.
        self.events: list[dict[str, Any]] = []

    def on_event(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of *event*."""
        return [line for line in self.events if line["event"] == event]

    async def wait_for(self, event: str, within: float = DEADLINE) -> None:
        """Wait until it logged *event*; raises the errors of :meth:`wait_until`."""
        await self.wait_until(lambda: bool(self.logged(event)), within)

    async def stats(self) -> dict[str, Any]:
        """Return the statistics since the last call."""
        known = len(self.logged("process_stats"))
        self.signal(signal.SIGUSR1)
        await self.wait_until(lambda: len(self.logged("process_stats")) > known)
        return self.logged("process_stats")[-1]
