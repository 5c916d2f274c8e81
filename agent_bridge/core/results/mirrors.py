"""Results of ``channel mirror``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class MirrorSet:
    """The agents whose turns a log channel shows."""

    channel: str
    #: Their names; empty: of none; None: of all.
    agents: tuple[str, ...] | None
    #: False: the caller only asked.
    is_changed: bool


@dataclass(frozen=True, slots=True)
class NoLogChannel:
    """The channel is of another type, so it mirrors nothing."""

    channel: str


MirrorResult: TypeAlias = MirrorSet | NoLogChannel
