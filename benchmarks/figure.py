"""Results of measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Aim:
    """The target of a figure."""

    limit: float
    #: Whether the limit is a minimum.
    at_least: bool = False

    def missed_by(self, value: float) -> float | None:
        """Return by how many percent of the limit *value* misses the aim; None if it meets the aim."""
        worse = self.limit - value if self.at_least else value - self.limit
        # One that must be nothing is missed by its number.
        return worse / (self.limit or 1) * 100 if worse > 0 else None

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure."""

    name: str
    value: float
    #: Description of the measurement.
    how: str
    aim: Aim | None = None
    #: The figure of each single repetition.
    repetitions: Sequence[float] = ()
    #: Further values, by a name with the unit.
    parts: Mapping[str, float] = field(default_factory=dict)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the *percent*-th percentile of *values*, interpolated between neighbours."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def nearest_rank(values: Sequence[float], percent: float) -> float:
    """Return the smallest of *values* that at least *percent* percent of them do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the median of *values*."""
    return percentile(values, 50)
