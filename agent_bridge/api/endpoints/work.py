"""Endpoints of agent events, tasks and votes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.model import ApiModel, RoomName, Text
from agent_bridge.core.agent_events import MOST_KIND, MOST_TEXT
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import Capability
from agent_bridge.core.tasks import MOST_NOTE, MOST_TITLE, WHOLE, TaskState
from agent_bridge.core.votes import LONGEST_ANSWER

_TAG = "Events, tasks and votes"
_LARGEST = 2**63 - 1
_TASK = (Problem.TASK_NOT_FOUND, Problem.TASK_REFUSED, Problem.ROLE_MISSING, Problem.MUTED)
_ROOM = (Problem.ROOM_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.AGENT_NOT_FOUND)


class NewRoomEvent(ApiModel):
    """An event about work."""

    kind: Text = Field(
        min_length=1,
        max_length=MOST_KIND,
        description="progress, result, error, session_summary, or another word of a-z, 0-9, _ and .",
        examples=["research_complete"],
    )
    data: dict[str, Any] = Field(
        default_factory=dict, description="Any JSON object.", examples=[{"subtask": 1, "confidence": 0.87}]
    )
    text: Text = Field("", max_length=MOST_TEXT, description="Text for people. Default: made of kind and data.")


class PostedAgentEvent(ApiModel):
    """The event is committed: the room shows it within a moment."""

    room_id: str
    kind: str


class TasksQuery(ApiModel):
    """The query of tasks."""

    room: RoomName | None = Field(None, description="The tasks of this room. Default: those that are assigned to you.")
    closed: bool = Field(False, description="Also closed tasks.")


class NewTask(ApiModel):
    """A task."""

    room: RoomName = Field(description="The room of its card.")
    title: Text = Field(min_length=1, max_length=MOST_TITLE)
    parent: int | None = Field(None, ge=1, le=_LARGEST, description="Number of the task of which it is a part.")


class TaskUpdate(ApiModel):
    """A change of a task."""

    state: Literal["working", "input-required", "auth-required", "completed", "failed", "rejected", "canceled"] = Field(
        "working", description="The state of A2A."
    )
    progress: int | None = Field(None, ge=0, le=WHOLE, description="Percentage.")
    note: Text = Field("", max_length=MOST_NOTE, description="The result, the question, or the cause of a failure.")


class TaskSeen(ApiModel):
    """A task as it is now."""

    number: int
    title: str
    state: str
    creator: str
    assignee: str | None
    progress: int
    note: str
    parent: int | None
    room_id: str | None


class TaskList(ApiModel):
    """Tasks, each before those that are parts of it."""

    tasks: list[TaskSeen]


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


class Ballot(ApiModel):
    """The answer of the identity, in place of an earlier one."""

    answer: Text | None = Field(
        max_length=LONGEST_ANSWER, description="Text or number of the answer; null: take it back."
    )
    number: int | None = Field(None, ge=1, le=_LARGEST, description="Number of the vote. Default: the only open one.")


class Cast(ApiModel):
    """The vote counts."""

    number: int
    answer: str | None


@endpoint(
    "POST",
    "/v1/rooms/{room}/events",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=(*_ROOM, Problem.EVENT_REFUSED, Problem.ROLE_MISSING, Problem.MUTED),
)
async def post_event(call: ApiCall, room: str, body: NewRoomEvent) -> PostedAgentEvent | Responded:
    """Post an agent event into a room, which shows it as a text."""
    outcome = await call.services.work.post_event(call.once, room, body.kind, body.data, body.text)
    return Responded.of(outcome, PostedAgentEvent)


@endpoint("GET", "/v1/tasks", tag=_TAG, capability=Capability.READ, permission=Permission.READ, problems=_ROOM)
async def tasks(call: ApiCall, query: TasksQuery) -> TaskList:
    """List up to 100 tasks."""
    found = await call.services.work.tasks(call.token, query.room or "", closed=query.closed)
    return TaskList(tasks=[TaskSeen(**each) for each in found])


@endpoint(
    "POST",
    "/v1/tasks",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    status=201,
    problems=(*_ROOM, *_TASK),
)
async def new_task(call: ApiCall, body: NewTask) -> TaskSeen | Responded:
    """Make a task: the room shows a card, and people and agents can claim it."""
    outcome = await call.services.work.new_task(call.once, body.room, body.title, body.parent)
    return Responded.of(outcome, TaskSeen)


@endpoint(
    "POST",
    "/v1/tasks/{task}/claim",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=_TASK,
)
async def claim_task(call: ApiCall, task: str) -> TaskSeen | Responded:
    """Claim a task that nobody works on. Of several at the same time, one gets it."""
    outcome = await call.services.work.claim(call.once, _number(task))
    return Responded.of(outcome, TaskSeen)


@endpoint(
    "POST",
    "/v1/tasks/{task}",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=_TASK,
)
async def update_task(call: ApiCall, task: str, body: TaskUpdate) -> TaskSeen | Responded:
    """Tell how far a task is, or close it."""
    state = TaskState(body.state)
    outcome = await call.services.work.update(call.once, _number(task), state, body.progress, body.note)
    return Responded.of(outcome, TaskSeen)


@endpoint(
    "GET", "/v1/rooms/{room}/votes", tag=_TAG, capability=Capability.READ, permission=Permission.READ, problems=_ROOM
)
async def votes(call: ApiCall, room: str) -> VoteList:
    """List the votes of a room."""
    found = await call.services.work.votes(call.token, room, UTC)
    entries = [{**asdict(each), "answers": list(each.answers), "votes": list(each.votes)} for each in found.votes]
    return VoteList(votes=[VoteSeen(**{**each, "state": str(each["state"])}) for each in entries])


@endpoint(
    "POST",
    "/v1/rooms/{room}/ballots",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=(*_ROOM, Problem.VOTE_REFUSED, Problem.ROLE_MISSING, Problem.MUTED),
)
async def vote(call: ApiCall, room: str, body: Ballot) -> Cast | Responded:
    """Vote. The last answer of an identity counts."""
    outcome = await call.services.work.vote(call.once, room, body.number, body.answer)
    return Responded.of(outcome, Cast)


def _number(text: str) -> int:
    """Return the number of a task in a path."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(_LARGEST)) and 0 < int(text) <= _LARGEST:
        return int(text)
    raise ProgramRefused(Problem.TASK_NOT_FOUND, f"there is no task {text}")
