"""How long to wait before trying again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times in seconds that double from *first* up to *cap*."""

    first: float
    cap: float

    def delay(self, failures: int) -> float:
        """Return the wait after *failures* failures in a row (1 or more; 0 means no wait)."""
        if failures <= 0:
            return 0.0
        return float(min(self.cap, self.first * 2 ** min(failures - 1, 32)))
