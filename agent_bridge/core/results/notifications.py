"""Results of the command ``notify``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotificationsSet:
    """Whether the caller gets notifications."""

    is_on: bool
    #: False: the caller only asked.
    is_changed: bool
