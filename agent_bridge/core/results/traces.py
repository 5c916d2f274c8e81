"""Traces: the history of a message, as the command ``why`` reports it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from agent_bridge.core.turns import TurnKind, TurnState
    from agent_bridge.core.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step in the life of a turn. The fields after ``name`` belong to some steps and are None for the others."""

    at: datetime
    #: A name of the catalogue's ``steps``; earlier programs stored an English sentence.
    name: str
    #: ``put_back``: seconds to wait, and why.
    seconds: float | None = None
    why: str | None = None
    #: ``answered``: characters of the answer.
    characters: int | None = None
    #: ``done``, ``failed``, ``stopped``: messages that show the answer.
    parts: int | None = None
    #: ``collected``: key of the turn that answers it.
    turn: str | None = None
    #: ``retried``, ``dropped``, ``interrupted``: event that asked for it.
    by: str | None = None
    #: Why there is no complete answer.
    error: str | None = None

    @property
    def details(self) -> Mapping[str, object]:
        """The fields after ``name`` that are not None, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in {"at", "name"}}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class TracePart:
    """A part of an answer, and the event that shows it."""

    part: int
    event_id: str
    #: When the bridge decided to send the part.
    at: datetime


@dataclass(frozen=True, slots=True)
class ChainTrace:
    """The place of a turn among the answers of agents to agents."""

    #: The message that began the chain, and its sender.
    root: str
    asker: str
    hops: int
    #: Name of the agent whose message asked; None: the person asked.
    asked_by: str | None
    #: The event that ended the chain; None: it may go on.
    stopped_by: str | None
    #: Whether agents wait until people let them go on.
    waits: bool


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
    steps: tuple[Step, ...]
    parts: tuple[TracePart, ...]
    #: Whether its message was redacted.
    is_redacted: bool = False
    #: The tokens of all attempts; None if the upstream reported none.
    usage: Usage | None = None
    #: None outside of chains.
    chain: ChainTrace | None = None


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
    #: It mentions others.
    FOR_OTHERS = "for_others"
    #: People have switched the agents off that would answer it.
    ANSWERS_OFF = "answers_off"
    #: The event is not a message; the detail is its type.
    NOT_A_MESSAGE = "not_a_message"


@dataclass(frozen=True, slots=True)
class NoTrace:
    """The message has no turn."""

    #: The event id or the turn's name that was looked up.
    reference: str
    reason: NoTraceReason
    detail: str = ""
