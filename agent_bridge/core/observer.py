"""The seam of the metrics: the parts of the bridge tell an observer of their work, which forgets it by default."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.core.turns import TurnKind
    from agent_bridge.core.usage import UsageEntry

#: The outcome of a turn that was replaced by a note that its event is ignored. Others are states of turns.
DISMISSED = "dismissed"


class TransactionResult(StrEnum):
    """The end of a transaction of the homeserver."""

    #: Its events are committed.
    ACCEPTED = "accepted"
    #: Its body, or a part of it, became a dead letter.
    DEAD_LETTER = "dead_letter"
    #: Its body did not arrive as a whole. The homeserver sends it again.
    INCOMPLETE = "incomplete"
    #: The database did not take it. The homeserver sends it again.
    UNAVAILABLE = "unavailable"


class RequestResult(StrEnum):
    """The end of a request to another server."""

    OK = "ok"
    #: The server limits the rate, or asks for a later repeat.
    LIMITED = "limited"
    #: The server refuses it (4xx).
    REFUSED = "refused"
    #: The server failed (5xx), or its response does not follow the API.
    FAILED = "failed"
    #: There was no response, or the bridge did not wait for it any longer.
    NO_RESPONSE = "no_response"
    #: The answer began, and ended before it was complete.
    INTERRUPTED = "interrupted"
    #: The bridge ended the answer: for a person, for the next message, or at a limit of time or length.
    STOPPED = "stopped"


class Operation(StrEnum):
    """A request to an upstream."""

    ANSWER = "answer"
    AGENTS = "agents"


class Observer:
    """Hears of the work of the process. This one measures nothing, so that each call costs nothing but itself.

    Times are in seconds. No method raises anything, and none waits.
    """

    #: Whether anything is measured. Parts that would need further work for it leave it out otherwise.
    measures: bool = False

    def turn_ended(self, kind: TurnKind, outcome: str, times: int = 1) -> None:
        """Note that *times* turns were closed, as *outcome*."""

    def answered(self, upstream: str, *, whole: float, first_words: float | None) -> None:
        """Note a whole answer: the time from the message to its end, and to its first words (None: not known)."""

    def edited(self, *, sent: bool) -> None:
        """Note that an edit of an answer was sent, or was due and left out."""

    def transaction(self, result: TransactionResult, events: int, seconds: float) -> None:
        """Note a transaction of the homeserver with *events*."""

    def homeserver_request(self, method: str, result: RequestResult, seconds: float) -> None:
        """Note a request to the homeserver."""

    def upstream_request(self, upstream: str, operation: Operation, result: RequestResult) -> None:
        """Note a request to an upstream."""

    def used(self, entry: UsageEntry) -> None:
        """Note the tokens and the cost of a request to an agent."""


class TurnEndSignal(Observer):
    """Calls *signal* when turns end, of which it also tells *other*.

    It is for the store of turns, which tells nothing else.
    """

    def __init__(self, other: Observer, signal: Callable[[], None]) -> None:
        self._other = other
        self._signal = signal

    def turn_ended(self, kind: TurnKind, outcome: str, times: int = 1) -> None:
        """See :class:`Observer`."""
        self._other.turn_ended(kind, outcome, times)
        self._signal()


#: Measures nothing.
UNOBSERVED = Observer()
