"""Turns: the records of the queue, and what people ask of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent_bridge.core.ids import turn_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from agent_bridge.core.answers import AnswerExtras


class TurnKind(StrEnum):
    """What a turn asks for."""

    #: A message for the room's agent.
    MESSAGE = "message"
    #: A command for the bridge bot.
    COMMAND = "command"
    #: A message that is not taken; the person is told why, once.
    REFUSAL = "refusal"
    #: An invitation of the bridge bot or of a ghost.
    INVITATION = "invitation"
    #: A person changed an earlier message, or wants it answered anew.
    CHANGE = "change"


class TurnState(StrEnum):
    """Where a turn stands. Only the first three are open."""

    #: Waits for its place at the head of its lane.
    QUEUED = "queued"
    #: Taken up by a worker.
    RUNNING = "running"
    #: The answer is committed; what is left is to show it.
    COMMITTED = "committed"
    #: People saw the answer.
    DONE = "done"
    #: People were told that there is none, or that it is not whole.
    FAILED = "failed"
    #: A person ended it; people saw what there was.
    STOPPED = "stopped"
    #: Became a part of the turn that it was collected into.
    COLLECTED = "collected"


class StopReason(StrEnum):
    """How a person wants a turn to end."""

    #: With what there is of the answer.
    STOPPED = "stopped"
    #: Set aside, by an administrator.
    DROPPED = "dropped"
    #: Because the question was changed; it is asked anew.
    EDITED = "edited"
    #: Because the question was taken back.
    REDACTED = "redacted"


class ChangeKind(StrEnum):
    """What a person wants of an earlier message."""

    #: Another text in its place.
    EDIT = "edit"
    #: Another answer to it.
    AGAIN = "again"
    #: That it is forgotten.
    REDACT = "redact"


#: ``thread`` of the lane in which the bridge bot is talked to in an agent's room: it never waits for the agent.
BOT_THREAD = "!"


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn as intake asks for it."""

    event_id: str
    room_id: str
    kind: TurnKind
    sender: str
    #: What the handler needs: ``body`` and, by kind, more. No NUL characters.
    payload: Mapping[str, Any]
    #: Row id of the portal, None where people talk to the bridge bot.
    portal: int | None
    #: Which conversation of the room: empty for the room itself, the root of a thread, or :data:`BOT_THREAD`.
    thread: str = ""
    #: When it was said, in milliseconds since 1970 by the homeserver's clock; 0 when that is not known.
    said_at: int = 0


class IgnoreReason(StrEnum):
    """Why a message is no turn."""

    #: It replaces an earlier one.
    CHANGE = "change"
    #: Nobody answers notices.
    NOTICE = "notice"
    NO_TEXT = "no_text"
    #: It was said by somebody without a role.
    PERMISSION = "permission"
    ENCRYPTED = "encrypted"
    #: The database never takes it.
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is no turn, and why."""

    event_id: str
    room_id: str
    reason: IgnoreReason


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A person wants something of an earlier message."""

    event_id: str
    room_id: str
    sender: str
    wish: ChangeKind
    #: The earlier message; for :attr:`Wish.AGAIN` its answer too.
    target: str
    #: What stands in its place: the payload of a message; for :attr:`Wish.EDIT` only.
    payload: Mapping[str, Any]
    #: When that was said, as in :class:`NewTurn`.
    said_at: int = 0


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A person wants an answer to end."""

    room_id: str
    #: The event that asks for it.
    event_id: str
    #: The question, or an event of the answer; None means whatever is being answered in the room.
    target: str | None
    #: The conversation in which it was said: its answer ends rather than that of another.
    thread: str = ""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits behind another one in its lane."""

    #: Row id.
    id: int
    event_id: str
    sender: str
    payload: Mapping[str, Any]
    #: Seconds since it was said.
    age: float
    #: Seconds since it was taken in.
    since: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One incoming message and its answer: the unit of durability."""

    #: Row id.
    id: int
    event_id: str
    #: Row id of the lane.
    conversation: int
    room_id: str
    #: Which conversation of the room, as in :class:`NewTurn`.
    thread: str
    #: Row id of the portal, None where people talk to the bridge bot.
    portal: int | None
    kind: TurnKind
    sender: str
    payload: Mapping[str, Any]
    state: TurnState
    #: How often a worker took it up, this time included.
    attempts: int
    #: How often the upstream failed it.
    failures: int
    #: How often a worker died, or was ended, while it worked on it.
    interruptions: int
    #: How often it was asked anew.
    retries: int
    #: Seconds since it was said, or since it was asked anew.
    age: float
    #: How a person wants it to end; None when nobody does.
    stop: StopReason | None
    #: Payloads of the turns that were collected into it, oldest first.
    collected: tuple[Mapping[str, Any], ...]
    #: The committed answer; None before there is one.
    answer: str | None
    #: What is shown besides the committed answer.
    extras: AnswerExtras
    #: Why there is no (whole) answer, in words for the person; None when all is well.
    error: str | None

    @property
    def key(self) -> str:
        """Public name of the turn."""
        return turn_key(self.event_id)

    @property
    def body(self) -> str:
        """The person's text; with those of the turns that were collected into it, a paragraph each."""
        texts = (str(payload.get("body", "")) for payload in self.payloads)
        return "\n\n".join(text for text in texts if text)

    @property
    def payloads(self) -> tuple[Mapping[str, Any], ...]:
        """All that it asks, oldest first."""
        return (self.payload, *self.collected)

    @property
    def root(self) -> str | None:
        """Root of the thread in which it is answered; None where it is answered in the room itself."""
        thread = self.thread if self.thread != BOT_THREAD else self.payload.get("thread")
        return str(thread) if thread else None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that became of a turn."""

    at: datetime
    #: What: a name of the catalogue's ``steps``; an older program wrote it out in English.
    what: str
    #: What its words leave open, and perhaps ``error``.
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Send:
    """The intention to say part *part* of a turn's answer."""

    part: int
    #: The event that shows it, None while that is not known.
    event_id: str | None
    #: When the intention was written.
    created_at: datetime
