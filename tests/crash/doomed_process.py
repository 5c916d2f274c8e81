"""A process of the bridge that kills itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from support.process import BridgeProcess

if TYPE_CHECKING:
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
