"""Contexts: the conversations of a lane, of which one goes on, and the copies that people saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """A context that a person can load in a lane."""

    #: Row id.
    id: int
    #: The name under which the person saved it; None: it ended in the lane.
    name: str | None
    #: Name of the conversation for upstreams; None for a saved copy.
    session: str | None
    #: Reference of the copy on the upstream, and the kind of this upstream; None without one.
    upstream_ref: str | None
    upstream_kind: str | None
    #: When it was saved, or when it ended.
    at: datetime
    #: Number of its messages.
    messages: int
