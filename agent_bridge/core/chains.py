"""Chains: answers of agents to agents that one message of a person began."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Key of the position in a chain, in the content of the messages of an answer.
CHAIN = "org.agent_bridge.chain"


class Bound(StrEnum):
    """A limit of a chain."""

    #: The number of agents that ask one another in a row.
    HOPS = "hops"
    #: The number of times that two agents ask each other within a minute.
    PAIR = "pair"
    #: The number of answers in the chain.
    TURNS = "turns"
    #: The number of tokens that its answers have used.
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class ChainPosition:
    """The place of a turn in its chain."""

    #: The event of the person's message that began the chain, and its sender.
    root: str
    asker: str
    #: The number of agents that asked one another before it; 0: the person asks.
    hops: int
    #: Name of the agent whose message asks; None: the person asks.
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class ChainBudget:
    """The limits of a chain. People can raise them."""

    hops: int
    pair: int
    turns: int
    #: None: no limit.
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ChainUse:
    """How much a chain has used, as far as it concerns a turn that is about to be written."""

    #: The hops of that turn.
    hops: int
    #: The times that its two agents have asked each other within the last minute, or since people let them go on.
    pair: int
    #: The turns and the tokens of the chain so far.
    turns: int
    tokens: int


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """A request to let agents go on."""

    room_id: str
    #: The event that asks for it.
    event_id: str
    #: The notice that asks people.
    target: str
