"""Waiting times between attempts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times in seconds that double from *first* up to *cap*."""

    first: float
    cap: float

    def delay(self, failures: int) -> float:
        """Return the waiting time after *failures* consecutive failures; 0 seconds after none."""
        if failures <= 0:
            return 0.0
        return float(min(self.cap, self.first * 2 ** min(failures - 1, 32)))
