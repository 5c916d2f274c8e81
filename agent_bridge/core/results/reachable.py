"""Results of the command ``reachable``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReachableSet:
    """Whether programs may ask the caller."""

    is_on: bool
    #: False: the caller only asked.
    is_changed: bool
