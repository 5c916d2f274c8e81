"""Rooms of the bridge, as the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.core.agents import AgentState


class WhenBusy(StrEnum):
    """What happens to messages that arrive while an agent answers."""

    #: Each is answered on its own, one after the other.
    QUEUE = "queue"
    #: Those that wait are answered together, as one.
    COLLECT = "collect"


class Streaming(StrEnum):
    """How an answer is shown while it arrives."""

    #: By edits of its first words.
    EDITS = "edits"
    #: Not before it is whole.
    OFF = "off"


class Show(StrEnum):
    """How much people see of what an agent does besides answering."""

    #: Nothing.
    HIDDEN = "hidden"
    #: Folded, in a message of its own before the answer.
    COLLAPSED = "collapsed"
    #: As notices in a thread.
    THREAD = "thread"


@dataclass(frozen=True, slots=True)
class Portal:
    """A room in which an agent answers."""

    #: Row id.
    id: int
    #: Row id of the agent.
    agent: int
    #: Room id, None before the room exists.
    room_id: str | None
    #: Name and topic that the room should have, and those it was last given.
    name: str
    name_applied: str | None
    topic: str
    topic_applied: str | None
    #: Whether the bridge bot is in the room.
    bot_joined: bool
    #: Room id of the Space that lists the room, None when none does.
    space: str | None
    #: User ids that were invited by the bridge itself.
    invited: frozenset[str]
    #: The agent's state that the people in the room were last told.
    announced_state: AgentState
    #: What happens to messages that wait, and how answers are shown, None for what is configured.
    when_busy: WhenBusy | None
    streaming: Streaming | None


@dataclass(frozen=True, slots=True)
class HistoryCursor:
    """A room whose history is compared with what was handed over."""

    room_id: str
    #: Who reads it: localpart of a ghost, None for the bridge bot.
    ghost: str | None
    #: Event up to which nothing is missed, None: the room's beginning.
    last_seen: str | None
    #: The last place in any lane that was given when the comparison began.
    position: int
    #: How often something was suspected to be missing, by then.
    backfill_requests: int = 0
