"""Pauses of lanes whose turns failed for a cause that no turn can wait for in the database: the database itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.core.backoff import Backoff


class Pauses:
    """Lanes, by row id, that pause in this process. Each failure in a row makes the pause longer, as *backoff* says."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        #: Failures in a row, and when the pause ends by a monotonic clock.
        self._lanes: dict[int, tuple[int, float]] = {}

    def __contains__(self, lane: int) -> bool:
        """Tell whether *lane* failed, and has not succeeded since."""
        return lane in self._lanes

    def begin(self, lane: int) -> float:
        """Pause *lane*, which failed; return the seconds."""
        failures = 1 + self._lanes.get(lane, (0, 0.0))[0]
        seconds = self._backoff.delay(failures)
        self._lanes[lane] = failures, time.monotonic() + seconds
        return seconds

    def end(self, lane: int) -> None:
        """Forget the failures of *lane*, which succeeded."""
        self._lanes.pop(lane, None)

    def left(self, lane: int) -> float:
        """Return the seconds that *lane* still pauses; 0 or less if it does not."""
        return self._lanes[lane][1] - time.monotonic() if lane in self._lanes else 0.0
