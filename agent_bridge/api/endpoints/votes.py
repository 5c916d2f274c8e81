"""Endpoints of votes."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.model import LARGEST, ApiModel, Text, number_in
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability
from agent_bridge.core.votes import (
    FEWEST_ANSWERS,
    LONGEST_ANSWER,
    LONGEST_QUESTION,
    MOST_ANSWERS,
    MOST_QUORUM,
    VoteDraft,
)

_TAG = "Votes"
_ROOM = (Problem.ROOM_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.AGENT_NOT_FOUND)
_VOTE = (
    Problem.VOTE_NOT_FOUND,
    Problem.VOTE_REFUSED,
    Problem.NOT_PERMITTED,
    Problem.ROLE_MISSING,
    Problem.MUTED,
)

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _moment(value: object) -> object:
    """Return the moment that a text is: pydantic takes other forms, too, such as numbers."""
    if not isinstance(value, str) or _RFC_3339.fullmatch(value) is None:
        raise ValueError("is no RFC 3339 time with an offset, such as 2026-12-01T18:00:00+01:00")
    return datetime.fromisoformat(value.upper())


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


class VoteSeen(ApiModel):
    """A vote."""

    number: int
    question: str
    answers: list[str]
    votes: list[int] = Field(description="Numbers of votes, in the order of the answers.")
    creator: str
    state: str = Field(description="open, closing, closed or cancelled.")
    ends_at: datetime | None
    quorum: int | None


class VoteList(ApiModel):
    """The open votes, and the last that ended."""

    votes: list[VoteSeen]


class NewVote(ApiModel):
    """A vote."""

    question: Text = Field(min_length=1, max_length=LONGEST_QUESTION, examples=["Lunch?"])
    answers: list[Annotated[Text, Field(min_length=1, max_length=LONGEST_ANSWER)]] = Field(
        min_length=FEWEST_ANSWERS, max_length=MOST_ANSWERS, examples=[["pizza", "pasta"]]
    )
    until: Moment | None = Field(
        None,
        description="When it ends, within a year. Default: when it is closed.",
        examples=["2026-12-01T18:00:00+01:00"],
    )
    quorum: int | None = Field(
        None, ge=1, le=MOST_QUORUM, description="Voters without which the result does not count."
    )


class StartedVote(ApiModel):
    """The vote has begun: the room shows a poll within a moment."""

    number: int
    room_id: str
    question: str
    answers: list[str]
    ends_at: datetime | None
    quorum: int | None


class ClosedVote(ApiModel):
    """The vote takes no answers any more: the room shows the result within a moment."""

    number: int
    room_id: str


class Ballot(ApiModel):
    """The answer of the identity, in place of an earlier one."""

    answer: Text | None = Field(
        max_length=LONGEST_ANSWER, description="Text or number of the answer; null: take it back."
    )
    number: int | None = Field(None, ge=1, le=LARGEST, description="Number of the vote. Default: the only open one.")


class Cast(ApiModel):
    """The vote counts."""

    number: int
    answer: str | None


@endpoint(
    "GET", "/v1/rooms/{room}/votes", tag=_TAG, capability=Capability.READ, permission=Permission.READ, problems=_ROOM
)
async def votes(call: ApiCall, room: str) -> VoteList:
    """List the votes of a room."""
    found = await call.services.votes.listed(call.token, room)
    entries = [{**asdict(each), "answers": list(each.answers), "votes": list(each.votes)} for each in found.votes]
    return VoteList(votes=[VoteSeen(**{**each, "state": str(each["state"])}) for each in entries])


@endpoint(
    "POST",
    "/v1/rooms/{room}/votes",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    status=201,
    problems=(*_ROOM, Problem.VOTE_REFUSED, Problem.NOT_PERMITTED, Problem.ROLE_MISSING, Problem.MUTED),
)
async def new_vote(call: ApiCall, room: str, body: NewVote) -> StartedVote | Responded:
    """Begin a vote: the room shows a poll, in which people and agents vote."""
    draft = VoteDraft(body.question, tuple(body.answers), body.until, body.quorum)
    return Responded.of(await call.services.votes.new(call.once, room, draft), StartedVote)


@endpoint(
    "POST",
    "/v1/rooms/{room}/ballots",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=(*_ROOM, *_VOTE),
)
async def vote(call: ApiCall, room: str, body: Ballot) -> Cast | Responded:
    """Vote. The last answer of an identity counts."""
    outcome = await call.services.votes.cast(call.once, room, body.number, body.answer)
    return Responded.of(outcome, Cast)


@endpoint(
    "POST",
    "/v1/votes/{vote}/close",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=_VOTE,
)
async def close_vote(call: ApiCall, vote: str) -> ClosedVote | Responded:
    """End a vote, with its result: its creator does, and moderators do."""
    return Responded.of(
        await call.services.votes.close(call.once, number_in(vote, "vote", Problem.VOTE_NOT_FOUND)), ClosedVote
    )
