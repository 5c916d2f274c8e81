"""Requests of agents for a person's decision about a tool call, and the decisions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """The treatment of a tool call for which an upstream requests a decision."""

    #: A person decides.
    ASK = "ask"
    #: The bridge allows it.
    ALLOW = "allow"
    #: The bridge refuses it.
    DENY = "deny"


class Verdict(StrEnum):
    """The end of a request."""

    ALLOW = "allow"
    #: Allowed, and so are calls like it from now on.
    ALWAYS = "always"
    DENY = "deny"
    #: Refused, because nobody decided in time.
    EXPIRED = "expired"
    #: The request does not exist any more.
    WITHDRAWN = "withdrawn"

    @property
    def allows(self) -> bool:
        """Whether the tool runs."""
        return self in {Verdict.ALLOW, Verdict.ALWAYS}


@dataclass(frozen=True, slots=True)
class Approval:
    """A request, as the bridge keeps it."""

    #: Row id.
    id: int
    #: Position among the requests of its turn, from 0.
    number: int
    ref: str
    call_id: str
    tool: str
    arguments: str
    #: The offer to allow such calls from now on, in the upstream's words; empty: none.
    always: str
    #: Seconds since it was made.
    age: float
    #: None: undecided.
    verdict: Verdict | None = None
    #: User id of the person that decided; None if no person did.
    decided_by: str | None = None
    reason: str = ""
    #: Whether the tool may have run: the word that allows it was about to be sent, or another program decided.
    may_have_run: bool = False
    #: The event of the card; None while it is not known. Whether the card was sent, or may have been.
    event_id: str | None = None
    is_sent: bool = False
    #: Whether the card shows the verdict, and has no reactions.
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """A person's decision, by a reaction or a command."""

    room_id: str
    #: The event that makes it.
    event_id: str
    sender: str
    #: The card; None: the oldest undecided one in the room or thread.
    target: str | None
    verdict: Verdict
    #: Whether the sender may decide in the place of the person that asked the agent.
    is_admin: bool
    reason: str = ""
    #: Root of the thread of a decision without a target; empty: the room itself.
    thread: str = ""
    #: Time of the event, as in :class:`~agent_bridge.core.turns.NewTurn`.
    said_at: int = 0


class DecisionResult(StrEnum):
    """The effect of a decision."""

    TAKEN = "taken"
    #: The request was decided already, or does not exist any more.
    CLOSED = "closed"
    #: The sender is neither the person that asked the agent nor an administrator.
    FORBIDDEN = "forbidden"
    #: There is no such request.
    UNKNOWN = "unknown"
