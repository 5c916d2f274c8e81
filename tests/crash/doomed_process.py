"""A process of the bridge that kills itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from agent_bridge.config.model import Config

_DIES_WITHIN = 60.0


class DoomedProcess(BridgeProcess):
    """A process that kills itself at *point* of the event with *text*: see :mod:`crash.points`."""

    def __init__(self, folder: Path, config: Config, point: str, text: str) -> None:
        super().__init__(folder, config, launcher=("crash.doomed", point, text))

    async def death(self) -> int | None:
        """Wait until it dies, and return its exit code; None if it lives on for a minute."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self.wait(), _DIES_WITHIN)
        return None


async def kill_at(
    folder: Path, config: Config, point: str, text: str, send: Callable[[str], Awaitable[object]]
) -> None:
    """Have *send* send *text* to a process that kills itself at *point* of it, and return after its death."""
    async with DoomedProcess(folder, config, point, text) as process:
        await process.wait_for("listening")
        await send(text)
        assert await process.death() == -signal.SIGKILL
