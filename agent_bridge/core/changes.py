"""Requests of people that concern earlier messages: a new content, another answer, a redaction, a stop."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.payloads import MessagePayload

if TYPE_CHECKING:
    from agent_bridge.core.turns import Addressee


class ChangeKind(StrEnum):
    """A kind of request about an earlier message."""

    #: New content.
    EDIT = "edit"
    #: Another answer.
    AGAIN = "again"
    #: That it is forgotten.
    REDACT = "redact"


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A request about an earlier message."""

    event_id: str
    room_id: str
    sender: str
    kind: ChangeKind
    #: Event of the earlier message; for :attr:`ChangeKind.AGAIN` it may be an event of the answer.
    target: str
    #: The new content; for :attr:`ChangeKind.EDIT` only.
    message: MessagePayload = MessagePayload()  # noqa: RUF009  # frozen, so all may share it
    #: The agents that the new content addresses; None: it addresses nobody, and is for those that have the message.
    addressees: tuple[Addressee, ...] | None = None
    #: Time of the event, as in :class:`NewTurn`.
    said_at: int = 0
    #: Whether its sender is told if it changes nothing.
    is_expected: bool = False
    #: Whether it may wait in the queue of its room.
    may_wait: bool = True


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A request to end answers."""

    room_id: str
    #: The event that asks for it.
    event_id: str
    #: A question: all its answers end; or an event of an answer: that one ends. None: all that are given in the thread.
    target: str | None
    #: Root of the thread in which a request without a target was made; empty: the room itself.
    thread: str = ""
