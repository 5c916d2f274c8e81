"""Results of the commands and tools about tasks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from agent_bridge.core.results.commands import RoomAddress
    from agent_bridge.core.tasks import TaskAction, TaskState


class TaskProblem(StrEnum):
    """Why a task is not made or changed."""

    #: The caller has named no task, or no title, or no assignee.
    WHICH_TASK = "which_task"
    NO_TITLE = "no_title"
    WHO = "who"
    UNKNOWN = "unknown"
    #: Another one has claimed it, or it is assigned to another one.
    TAKEN = "taken"
    #: Nobody has claimed it.
    UNCLAIMED = "unclaimed"
    #: Its state does not permit the change.
    BAD_STATE = "bad_state"
    #: Neither the creator, nor the assignee, nor a moderator asks for it.
    NOT_YOURS = "not_yours"
    #: It has subtasks that are open.
    OPEN_SUBTASKS = "open_subtasks"
    #: Limits of the characters of a title, of subtasks, of tasks in one another, and of open tasks of a room.
    TITLE_TOO_LONG = "title_too_long"
    TOO_MANY_SUBTASKS = "too_many_subtasks"
    TOO_DEEP = "too_deep"
    TOO_MANY = "too_many"
    BAD_PERCENT = "bad_percent"
    #: Of the words about its progress or its result.
    NOTE_TOO_LONG = "note_too_long"
    #: The caller is not in the room of the task, or may not write there.
    NOT_THERE = "not_there"
    #: The assignee is not in the room of the task.
    ASSIGNEE_OUTSIDE = "assignee_outside"
    #: The assignee has no role there, or is muted, and could not work on it.
    ASSIGNEE_WITHOUT_ROLE = "assignee_without_role"


@dataclass(frozen=True, slots=True)
class TaskRefused:
    """Nothing was changed."""

    problem: TaskProblem
    #: Number of the task; 0: none.
    number: int = 0
    #: The state of the task, or the word that cannot be used; may be empty.
    state: str = ""
    #: User id of the assignee; empty: nobody.
    by: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A task as it is now."""

    number: int
    title: str
    state: TaskState
    #: User ids, with the names of agents in place of those of their ghosts.
    creator: str
    assignee: str | None
    percent: int
    note: str
    parent: int | None
    #: None: the room does not exist at the moment.
    room: RoomAddress | None


@dataclass(frozen=True, slots=True)
class TaskMade:
    """A task was made."""

    task: TaskEntry


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """A task was changed, or was as it is to be."""

    task: TaskEntry
    action: TaskAction


@dataclass(frozen=True, slots=True)
class TaskSplit:
    """A task has further subtasks."""

    task: TaskEntry
    #: Their numbers.
    subtasks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TaskList:
    """Tasks of a room, or of the caller: subtasks behind their tasks."""

    tasks: tuple[TaskEntry, ...]
    page: int
    pages: int
    #: Whether they are those of the caller, in all rooms.
    is_own: bool
    #: Whether closed tasks are among them.
    has_closed: bool


TaskResult: TypeAlias = TaskRefused | TaskMade | TaskChanged | TaskSplit | TaskList
