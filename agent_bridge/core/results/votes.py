"""Results of functions about votes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.core.votes import VoteProblem, VoteState


@dataclass(frozen=True, slots=True)
class VoteRefused:
    """Nothing was changed."""

    problem: VoteProblem
    #: The words that are at fault, or the number of the vote.
    words: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class VoteOpened:
    """A vote has begun: the room is about to show its poll."""

    number: int
    #: In the time zone of people; None: it is closed by hand.
    ends_at: datetime | None
    #: The present time, in the same time zone.
    now: datetime
    quorum: int | None


@dataclass(frozen=True, slots=True)
class VoteClosed:
    """A vote takes no ballots any more: the room is about to show its result."""

    number: int


@dataclass(frozen=True, slots=True)
class VoteCast:
    """A ballot was taken. A later one of the same voter takes its place."""

    number: int
    #: The text of the answer; None: the vote was taken back.
    answer: str | None


@dataclass(frozen=True, slots=True)
class VoteEntry:
    """A vote in a list."""

    number: int
    question: str
    answers: tuple[str, ...]
    #: Numbers of votes, in the order of the answers: so far, or of the result.
    votes: tuple[int, ...]
    #: User id.
    creator: str
    state: VoteState
    ends_at: datetime | None
    quorum: int | None


@dataclass(frozen=True, slots=True)
class VoteList:
    """The votes of a room: the open ones, and the last that ended."""

    votes: tuple[VoteEntry, ...]
    #: The present time, in the time zone of people.
    now: datetime = field(compare=False)


VoteResult: TypeAlias = VoteRefused | VoteOpened | VoteClosed | VoteCast | VoteList
