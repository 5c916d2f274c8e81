"""Traces: the history of a message, as the command ``why`` reports it. Records like those of ``core.results``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from agent_bridge.core.turns import TurnKind, TurnState


@dataclass(frozen=True, slots=True)
class TraceStep:
    """A step in the life of a turn."""

    at: datetime
    #: A name of the catalogue's ``steps``; older versions of the bridge wrote an English sentence.
    name: str
    #: Values for the placeholders of the step's text, and perhaps ``error``.
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TracePart:
    """A part of an answer, and the event that shows it."""

    part: int
    event_id: str
    #: When the bridge decided to send the part.
    at: datetime


@dataclass(frozen=True, slots=True)
class TurnTrace:
    """The history of one turn."""

    #: Public name of the turn.
    key: str
    #: The event of the question.
    event_id: str
    kind: TurnKind
    sender: str
    #: Name of the agent; None in a room of the bridge bot.
    agent: str | None
    state: TurnState
    error: str | None
    #: The event of the turn that answers this one too; None when the turn has an answer for itself.
    collected_into: str | None
    #: When the message was sent, by the homeserver's clock.
    said_at: datetime
    #: When the turn was written.
    created_at: datetime
    #: When a worker first started it; None before that.
    started_at: datetime | None
    attempts: int
    failures: int
    interruptions: int
    steps: tuple[TraceStep, ...]
    parts: tuple[TracePart, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The turns of one message: one for each agent that the message is for."""

    #: The event id or the turn's name that was looked up.
    reference: str
    turns: tuple[TurnTrace, ...]


class NoTraceReason(StrEnum):
    """Why a message has no turn."""

    #: The bridge received the message and ignored it; the detail is the reason.
    IGNORED = "ignored"
    #: The reference names nothing that the bridge knows.
    UNKNOWN = "unknown"
    #: The bridge may not see the event, or it does not exist.
    NOT_VISIBLE = "not_visible"
    #: The bridge sent the event itself.
    OWN_EVENT = "own_event"
    #: The homeserver has not delivered the message yet, or its turn was deleted.
    NOT_RECEIVED = "not_received"
    #: The room is not an agent's room, and the message is not a command.
    NO_PORTAL = "no_portal"
    #: The message mentions no agent, and replies to none, in a room of several people.
    NOT_ADDRESSED = "not_addressed"
    #: The event is not a message; the detail is its type.
    NOT_A_MESSAGE = "not_a_message"


@dataclass(frozen=True, slots=True)
class NoTrace:
    """The message has no turn."""

    #: The event id or the turn's name that was looked up.
    reference: str
    reason: NoTraceReason
    detail: str = ""
