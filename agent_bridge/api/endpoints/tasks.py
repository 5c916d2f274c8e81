"""Endpoints of tasks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.model import LARGEST, ApiModel, RoomName, Text, UserName, number_in
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability
from agent_bridge.core.tasks import MOST_NOTE, MOST_SUBTASKS, MOST_TITLE, WHOLE, TaskState

_TAG = "Tasks"
_TASK = (
    Problem.TASK_NOT_FOUND,
    Problem.TASK_REFUSED,
    Problem.NOT_PERMITTED,
    Problem.ROLE_MISSING,
    Problem.MUTED,
)
_ROOM = (Problem.ROOM_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.AGENT_NOT_FOUND)


class TasksQuery(ApiModel):
    """The query of tasks."""

    room: RoomName | None = Field(None, description="The tasks of this room. Default: those that are assigned to you.")
    closed: bool = Field(False, description="Also closed tasks.")
    page: int = Field(1, ge=1, le=1_000)


class NewTask(ApiModel):
    """A task."""

    room: RoomName = Field(description="The room of its card.")
    title: Text = Field(min_length=1, max_length=MOST_TITLE)
    parent: int | None = Field(None, ge=1, le=LARGEST, description="Number of the task of which it is a part.")


class TaskUpdate(ApiModel):
    """A change of a task."""

    state: Literal["working", "input-required", "auth-required", "completed", "failed", "rejected", "canceled"] = Field(
        "working", description="The state of A2A."
    )
    progress: int | None = Field(None, ge=0, le=WHOLE, description="Percentage.")
    note: Text = Field("", max_length=MOST_NOTE, description="The result, the question, or the cause of a failure.")


class Assignment(ApiModel):
    """The one for whom a task is kept."""

    assignee: UserName = Field(description="The user id of a person, or the name of an agent, in the room of the task.")


class Split(ApiModel):
    """Subtasks of a task."""

    titles: list[Annotated[Text, Field(min_length=1, max_length=MOST_TITLE)]] = Field(
        min_length=1, max_length=MOST_SUBTASKS, examples=[["tables", "figures"]]
    )


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


class SplitTask(TaskSeen):
    """A task with further subtasks."""

    subtasks: list[TaskSeen] = Field(description="Those that the request has made.")


class TaskList(ApiModel):
    """Tasks, each before those that are parts of it."""

    tasks: list[TaskSeen]
    page: int
    pages: int


@endpoint("GET", "/v1/tasks", tag=_TAG, capability=Capability.READ, permission=Permission.READ, problems=_ROOM)
async def tasks(call: ApiCall, query: TasksQuery) -> TaskList:
    """List tasks, in pages of 100."""
    found = await call.services.tasks.listed(call.token, query.room or "", closed=query.closed, page=query.page)
    return TaskList(**found)


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
    outcome = await call.services.tasks.new(call.once, body.room, body.title, body.parent)
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
    outcome = await call.services.tasks.claim(call.once, number_in(task, "task", Problem.TASK_NOT_FOUND))
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
    outcome = await call.services.tasks.update(
        call.once, number_in(task, "task", Problem.TASK_NOT_FOUND), state, body.progress, body.note
    )
    return Responded.of(outcome, TaskSeen)


@endpoint(
    "POST",
    "/v1/tasks/{task}/assign",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=(*_TASK, Problem.AGENT_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.USER_NOT_FOUND),
)
async def assign_task(call: ApiCall, task: str, body: Assignment) -> TaskSeen | Responded:
    """Keep a task for a person or an agent in its room.

    Its creator, its assignee and moderators may do that. A person is notified.
    """
    outcome = await call.services.tasks.assign(
        call.once, number_in(task, "task", Problem.TASK_NOT_FOUND), body.assignee
    )
    return Responded.of(outcome, TaskSeen)


@endpoint(
    "POST",
    "/v1/tasks/{task}/split",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=_TASK,
)
async def split_task(call: ApiCall, task: str, body: Split) -> SplitTask | Responded:
    """Give a task subtasks, which are tasks with cards of their own.

    Its creator, its assignee and moderators may do that.
    """
    outcome = await call.services.tasks.split(call.once, number_in(task, "task", Problem.TASK_NOT_FOUND), body.titles)
    return Responded.of(outcome, SplitTask)
