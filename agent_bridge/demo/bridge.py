"""The bridge of the demo: the real command in a separate process, observed through its log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import BridgeError
from agent_bridge.demo.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class DemoError(BridgeError):
    """The demo cannot continue; the message is the cause."""


class DemoBridge(Program):
    """``agent-bridge run`` with *config*. *show* gets every event of its log."""

    def __init__(self, config: Path, show: Callable[[dict[str, Any]], None]) -> None:
        super().__init__("agent_bridge", "run", "--config", str(config))
        self._show = show
        #: Number of agents that the upstream listed when it was first reached.
        self.agents: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        #: Whether the first question got its answer.
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def on_event(self, event: dict[str, Any]) -> None:
        """Process *event*, a line of the log."""
        if event.get("event") == "upstream reachable" and not self.agents.done():
            self.agents.set_result(event["agents"])
        if event.get("event") in {"answer sent", "answer failed"} and not self.answered.done():
            self.answered.set_result(event["event"] == "answer sent")
        self._show(event)
