"""Processes of a measurement."""

from __future__ import annotations

import time
from typing import Any

from agent_bridge.demo.program import Program


class LoggedProgram(Program):
    """A Python module in a separate process, with its log."""

    def __init__(self, module: str, *arguments: str) -> None:
        super().__init__(module, *arguments)
        #: Its log, by event.
        self.heard: dict[str, list[dict[str, Any]]] = {}
        #: When each event came first, by :func:`time.monotonic`.
        self.first_heard: dict[str, float] = {}

    def on_event(self, event: dict[str, Any]) -> None:
        """Keep *event*, a line of the log."""
        self.heard.setdefault(event["event"], []).append(event)
        self.first_heard.setdefault(event["event"], time.monotonic())

    async def logs(self, event: str) -> None:
        """Wait until it has logged *event*; raises the errors of :meth:`wait_until`."""
        await self.wait_until(lambda: event in self.heard)
