"""Results of the commands about messages and their turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from agent_bridge.core.turns import TurnState


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Intake wrote the request to stop when it received the command."""

    #: Number of turns that end by it.
    turns: int


@dataclass(frozen=True, slots=True)
class TurnEntry:
    """A turn in a list."""

    #: Public name of the turn.
    key: str
    sender: str
    #: Name of the agent; None in a room of the bridge bot.
    agent: str | None
    state: TurnState
    #: Number of times that a worker started the turn.
    attempts: int
    #: Seconds since the message was sent.
    age: float
    #: Why the turn failed; None when it did not, or when the cause is not known.
    error: str | None


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """A person's own message that waits or is being answered."""

    state: TurnState
    #: Number of times that a worker started it.
    attempts: int
    #: Seconds since it was sent.
    age: float
    #: The number of messages ahead, at least 1.
    place: int


@dataclass(frozen=True, slots=True)
class RoomQueue:
    """The messages that wait in the room of the command."""

    #: How many wait, of all people.
    waiting: int
    #: Those of the caller, also the one that is being answered, in their order.
    own: tuple[QueuePlace, ...]
    #: Whether the caller has more than are listed.
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class OpenTurns:
    """Messages that wait or are being answered, by lane, in their order."""

    turns: tuple[TurnEntry, ...]
    #: Whether there are more than are listed.
    has_more: bool


@dataclass(frozen=True, slots=True)
class FailedTurns:
    """Turns that failed, newest first."""

    turns: tuple[TurnEntry, ...]
    #: Whether there are more than are listed.
    has_more: bool


@dataclass(frozen=True, slots=True)
class TurnChange:
    """A turn that a command was to change."""

    #: Public name of the turn.
    key: str
    #: Its state before the command.
    state: TurnState
    #: Whether the command changed the turn; False where its state does not permit that.
    is_changed: bool
    #: Whether its message was redacted.
    is_redacted: bool = False


@dataclass(frozen=True, slots=True)
class Retried:
    """The turns of one reference, to be asked again."""

    turns: tuple[TurnChange, ...]


@dataclass(frozen=True, slots=True)
class RetriedAll:
    """The turns that failed last, to be asked again."""

    number: int
    #: Whether others failed before them.
    has_more: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """The turns of one reference, to be dropped."""

    turns: tuple[TurnChange, ...]


@dataclass(frozen=True, slots=True)
class TurnNotFound:
    """The reference names no turn."""

    reference: str


TurnResult: TypeAlias = (
    Dropped | FailedTurns | OpenTurns | Retried | RetriedAll | RoomQueue | StopRequested | TurnNotFound
)
