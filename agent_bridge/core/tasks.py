"""Tasks: work that people and agents take on, with the states of A2A and the changes that each state permits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Key of the task, for programs, in the content of its card.
TASK = "org.agent_bridge.task"
#: Characters of a title and of a note; subtasks of a task, tasks in one another, and open tasks of a room.
MOST_TITLE, MOST_NOTE, MOST_SUBTASKS, MOST_DEPTH, MOST_OPEN = 200, 1_000, 50, 5, 1_000
#: The title of a task whose card, or the command that made it, was redacted.
WITHDRAWN_TITLE = "—"
#: The percentage of a task that is complete.
WHOLE = 100


class TaskState(StrEnum):
    """The states of a task, by their names in A2A (Agent2Agent protocol 1.0, ``TaskState``)."""

    #: Nobody works on it. With an assignee, only that one may begin.
    SUBMITTED = "submitted"
    #: Its assignee works on it.
    WORKING = "working"
    #: Its assignee waits for information, or for a permission.
    INPUT_REQUIRED = "input-required"
    AUTH_REQUIRED = "auth-required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    #: Its assignee has declined it.
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        """Whether it can still be worked on."""
        return self in _OPEN

    @property
    def is_begun(self) -> bool:
        """Whether its assignee has begun, and has not ended."""
        return self in _BEGUN


class TaskAction(StrEnum):
    """Changes of a task."""

    CLAIM = "claim"
    PROGRESS = "progress"
    ASK_INPUT = "ask_input"
    ASK_AUTH = "ask_auth"
    DONE = "done"
    FAIL = "fail"
    REJECT = "reject"
    CANCEL = "cancel"
    ASSIGN = "assign"
    SPLIT = "split"
    #: The claim ends: its assignee has made no progress for too long.
    EXPIRE = "expire"
    #: Its assignee has left the room.
    RELEASE = "release"


_BEGUN = frozenset({TaskState.WORKING, TaskState.INPUT_REQUIRED, TaskState.AUTH_REQUIRED})
_OPEN = _BEGUN | {TaskState.SUBMITTED}


def _table() -> dict[tuple[TaskState, TaskAction], TaskState]:
    found = {
        (TaskState.SUBMITTED, TaskAction.CLAIM): TaskState.WORKING,
        (TaskState.SUBMITTED, TaskAction.REJECT): TaskState.REJECTED,
        # A claim that waits for others does not end.
        (TaskState.WORKING, TaskAction.EXPIRE): TaskState.SUBMITTED,
    }
    for state in _OPEN:
        found |= {
            # The one to whom it is assigned need not claim it.
            (state, TaskAction.PROGRESS): TaskState.WORKING,
            (state, TaskAction.ASK_INPUT): TaskState.INPUT_REQUIRED,
            (state, TaskAction.ASK_AUTH): TaskState.AUTH_REQUIRED,
            (state, TaskAction.DONE): TaskState.COMPLETED,
            (state, TaskAction.FAIL): TaskState.FAILED,
            (state, TaskAction.CANCEL): TaskState.CANCELED,
            (state, TaskAction.ASSIGN): TaskState.SUBMITTED,
            (state, TaskAction.RELEASE): TaskState.SUBMITTED,
            (state, TaskAction.SPLIT): state,
        }
    return found


#: The state after a change, by the state before it and the action. A pair that is missing is refused.
TRANSITIONS: Mapping[tuple[TaskState, TaskAction], TaskState] = MappingProxyType(_table())
#: The states of closed tasks, by the actions that lead there.
CLOSED_BY: Mapping[TaskAction, TaskState] = MappingProxyType(
    {action: state for (_, action), state in TRANSITIONS.items() if not state.is_open}
)
#: Actions by which the assignee goes on.
OF_ASSIGNEE = frozenset(
    {TaskAction.PROGRESS, TaskAction.ASK_INPUT, TaskAction.ASK_AUTH, TaskAction.FAIL, TaskAction.REJECT}
)
#: Actions that set the assignee, and those of them that end the work without a word of the assignee.
ENDING = frozenset({TaskAction.EXPIRE, TaskAction.RELEASE})
GIVING = ENDING | {TaskAction.CLAIM, TaskAction.ASSIGN}
#: Those after which nobody needs the subtasks any more.
GIVING_UP = frozenset({TaskAction.FAIL, TaskAction.REJECT, TaskAction.CANCEL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task, as the store keeps it."""

    #: Row id, by which people name it.
    number: int
    #: Name of the request that made it, from which the marks of its card derive.
    key: str
    #: Room id of its card; None: the room does not exist at the moment.
    room_id: str | None
    #: Number of the task of which it is a part; None: of none.
    parent: int | None
    title: str
    state: TaskState
    #: User ids: of a person, or of a ghost.
    creator: str
    assignee: str | None
    #: From 0 to 100; of a task with subtasks, the mean of them.
    percent: int
    #: The last words about its progress, its result, or why it failed.
    note: str
    #: How often it changed.
    changes: int


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task that is about to be written."""

    key: str
    room_id: str
    title: str
    #: User id.
    creator: str
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class CardClaim:
    """The reaction of a person who wants to claim the task of a card."""

    room_id: str
    event_id: str
    sender: str
    #: The event that may be a card.
    target: str


def joint_percent(subtasks: Iterable[tuple[TaskState, int]]) -> int | None:
    """Return the percentage of a task by the states and percentages of its subtasks; None: it has none that count.

    A completed subtask counts as whole, and a failed one as not begun. Canceled and rejected ones do not count.
    """
    counted = [
        WHOLE if state is TaskState.COMPLETED else 0 if state is TaskState.FAILED else percent
        for state, percent in subtasks
        if state not in {TaskState.CANCELED, TaskState.REJECTED}
    ]
    return sum(counted) // len(counted) if counted else None


def parts_of(family: Mapping[int, Task], number: int) -> list[Task]:
    """Return those of *family* that are parts of the task *number*, or parts of its parts."""
    found: list[Task] = []
    inside = {number}
    # A part is newer than the task to which it belongs.
    for each in sorted(family.values(), key=lambda task: task.number):
        if each.parent in inside:
            inside.add(each.number)
            found.append(each)
    return found
