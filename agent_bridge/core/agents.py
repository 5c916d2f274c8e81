"""Agents, as the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class AgentState(StrEnum):
    """Where an agent stands."""

    #: Listed by its upstream: has, or is about to have, a ghost and a room.
    ACTIVE = "active"
    #: Listed, but one too many at once: waits for an operator's word.
    HELD = "held"
    #: Not listed any more: its room is kept, its ghost silent.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Agent:
    """Something upstream that answers."""

    #: Row id.
    id: int
    #: Name of the upstream in the configuration.
    upstream: str
    #: Identity within the upstream; never changes.
    agent_id: str
    #: What the upstream's API calls it today: the ``model`` of a request.
    model: str
    #: Its name upstream, as people should see it.
    name: str
    #: Localpart of its ghost; never changes.
    ghost: str
    #: Display name that the ghost should have.
    displayname: str
    #: Display name that the ghost was last given, None before the ghost exists.
    displayname_applied: str | None
    #: Where it stands, and since when.
    state: AgentState
    state_since: datetime
