"""Votes: a question with answers, of which each voter has one; the counting of ballots, and the limits of a vote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.names import folded, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

#: Characters of a question and of an answer, numbers of answers, and open votes of a room. A poll, which has its texts
#: twice, fits an event with any letters.
LONGEST_QUESTION, LONGEST_ANSWER = 300, 150
FEWEST_ANSWERS, MOST_ANSWERS = 2, 20
MOST_OPEN = 10
#: Voters that a quorum may ask for, and the latest end.
MOST_QUORUM = 10_000
LATEST = timedelta(days=365)


class VoteState(StrEnum):
    """The states of a vote, in their order."""

    #: Ballots count.
    OPEN = "open"
    #: Nobody votes any more; the ballots are to be counted.
    CLOSING = "closing"
    #: The result stands.
    CLOSED = "closed"
    #: It ended without a result.
    CANCELLED = "cancelled"


class VoteEnd(StrEnum):
    """Why a vote ended."""

    #: Its time has come.
    TIME = "time"
    #: Its creator or a moderator closed it.
    PERSON = "person"
    #: Its room was upgraded: the poll stays behind in the old room.
    UPGRADE = "upgrade"
    #: Its poll, or the command that began it, was redacted.
    REDACTION = "redaction"
    #: Its creator edited the command that began it: another vote takes its place.
    EDIT = "edit"
    #: The homeserver refused the poll.
    REFUSAL = "refusal"

    @property
    def has_result(self) -> bool:
        """Whether the ballots are counted."""
        return self in {VoteEnd.TIME, VoteEnd.PERSON, VoteEnd.UPGRADE}


class VoteProblem(StrEnum):
    """Why nothing is done about a vote."""

    #: The question, its quotes or the answers are missing.
    NO_QUESTION = "no_question"
    QUESTION_TOO_LONG = "question_too_long"
    FEW_ANSWERS = "few_answers"
    MANY_ANSWERS = "many_answers"
    ANSWER_TOO_LONG = "answer_too_long"
    SAME_ANSWERS = "same_answers"
    #: The words behind ``until`` are no moment.
    NO_TIME = "no_time"
    PAST = "past"
    TOO_FAR = "too_far"
    BAD_QUORUM = "bad_quorum"
    #: The room has as many open votes as it can have.
    MANY_VOTES = "many_votes"
    #: There is no vote in the room, no open one, or none of the number.
    NO_VOTES = "no_votes"
    NO_VOTE = "no_vote"
    WHICH_VOTE = "which_vote"
    #: It has ended.
    ENDED = "ended"
    #: Somebody else created it.
    NOT_YOURS = "not_yours"
    #: The answer is missing, or none of the vote's.
    WHICH_ANSWER = "which_answer"
    NO_ANSWER = "no_answer"
    #: The actor takes no part in the room, or has no role there.
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class VoteDraft:
    """A vote to be begun."""

    question: str
    answers: tuple[str, ...]
    #: Aware; None: it is closed by hand.
    ends_at: datetime | None = None
    #: Number of voters without which the result does not count; None: any number will do.
    quorum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """A vote, as the store keeps it."""

    #: Row id: the number by which people name it.
    id: int
    #: Key of the request that made it, from which transaction ids and marks derive.
    key: str
    #: The room of the poll, and the one in which the bridge goes on after an upgrade; None: the room is made again.
    room_id: str
    room_now: str | None
    #: Root of its thread; empty: the room itself.
    thread: str
    #: Localpart of the ghost that speaks in a room without the bot; None: the bot does.
    voice: str | None
    #: User id.
    creator: str
    question: str
    answers: tuple[str, ...]
    quorum: int | None
    ends_at: datetime | None
    created_at: datetime
    state: VoteState
    end: VoteEnd | None
    #: User id of the one who closed it; None: nobody did.
    closed_by: str | None
    #: None: it is open.
    closed_at: datetime | None
    #: The last event whose sending has begun, from 1: the poll, its end, the result.
    begun: int
    #: Event ids; None: not sent, or not known to be sent.
    poll: str | None
    end_event: str | None
    result: Tally | None
    #: Whether nothing is left to do.
    is_settled: bool
    #: Whether the command that began it was redacted.
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Ballot:
    """The answer of one user, as it was given."""

    #: User id.
    voter: str
    #: Ids of answers: their numbers as text. Only the first counts; none, or an unknown one, spoils the vote.
    selections: tuple[str, ...]
    #: Milliseconds since 1970, by the clock of the homeserver or of the database.
    at: int


@dataclass(frozen=True, slots=True)
class Tally:
    """The voters of each answer, in the order of the answers."""

    #: User ids, sorted. Empty after the result was shown: only the numbers are kept.
    by: tuple[tuple[str, ...], ...]
    votes: tuple[int, ...]

    @property
    def voters(self) -> int:
        """The number of users whose vote counts."""
        return sum(self.votes)

    @property
    def winners(self) -> tuple[int, ...]:
        """The numbers, from 0, of the answers with the most votes; none without votes."""
        most = max(self.votes, default=0)
        return tuple(number for number, votes in enumerate(self.votes) if votes == most and most > 0)

    def has_quorum(self, quorum: int | None) -> bool:
        """Tell whether enough users voted."""
        return quorum is None or self.voters >= quorum


def answer_id(number: int) -> str:
    """Return the id in the poll of the answer *number*, from 0."""
    return str(number + 1)


def tally(
    answers: int,
    said: Iterable[Ballot],
    given: Iterable[Ballot] = (),
    *,
    until: int | None = None,
    counts: Callable[[str], bool] = lambda _voter: True,
) -> Tally:
    """Count the ballots of a vote with *answers* answers: of each voter the last one.

    *said*: the responses to the poll in the homeserver's order. *given*: ballots that reached the bridge another way,
    in their order; against a response of the same voter the later time counts. A ballot after *until* (milliseconds
    since 1970) does not exist. A spoilt one takes the place of an earlier one (MSC3381). *counts* tells which voters
    may vote.
    """
    last: dict[str, Ballot] = {}
    for ballot in said:
        if until is None or ballot.at <= until:
            last[ballot.voter] = ballot
    for ballot in given:
        known = last.get(ballot.voter)
        if (until is None or ballot.at <= until) and (known is None or ballot.at >= known.at):
            last[ballot.voter] = ballot
    by: list[list[str]] = [[] for _ in range(answers)]
    numbers = {answer_id(number): number for number in range(answers)}
    for voter, ballot in sorted(last.items()):
        chosen = numbers.get(ballot.selections[0]) if ballot.selections else None
        if chosen is not None and counts(voter):
            by[chosen].append(voter)
    return Tally(tuple(map(tuple, by)), tuple(map(len, by)))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a draft cannot become a vote."""

    problem: VoteProblem
    #: The words that are at fault, as they were given.
    words: str = ""
    most: int = 0


def checked(draft: VoteDraft, now: datetime) -> VoteDraft | Fault:
    """Return *draft* with its texts in one line, or the first fault of it at *now*."""
    question = one_line(draft.question)
    answers = tuple(each for each in map(one_line, draft.answers) if each)
    if not question:
        return Fault(VoteProblem.NO_QUESTION)
    if len(question) > LONGEST_QUESTION:
        return Fault(VoteProblem.QUESTION_TOO_LONG, most=LONGEST_QUESTION)
    if draft.quorum is not None and not 1 <= draft.quorum <= MOST_QUORUM:
        return Fault(VoteProblem.BAD_QUORUM, str(draft.quorum), MOST_QUORUM)
    fault = _fault_of_answers(answers) or _fault_of_end(draft.ends_at, now)
    return fault or VoteDraft(question, answers, draft.ends_at, draft.quorum)


def _fault_of_answers(answers: Sequence[str]) -> Fault | None:
    if len(answers) < FEWEST_ANSWERS:
        return Fault(VoteProblem.FEW_ANSWERS, most=FEWEST_ANSWERS)
    if len(answers) > MOST_ANSWERS:
        return Fault(VoteProblem.MANY_ANSWERS, most=MOST_ANSWERS)
    known: set[str] = set()
    for answer in answers:
        if len(answer) > LONGEST_ANSWER:
            return Fault(VoteProblem.ANSWER_TOO_LONG, answer, LONGEST_ANSWER)
        if folded(answer) in known:
            return Fault(VoteProblem.SAME_ANSWERS, answer)
        known.add(folded(answer))
    return None


def _fault_of_end(ends_at: datetime | None, now: datetime) -> Fault | None:
    if ends_at is None or now < ends_at <= now + LATEST:
        return None
    return Fault(VoteProblem.PAST) if ends_at <= now else Fault(VoteProblem.TOO_FAR, most=LATEST.days)
