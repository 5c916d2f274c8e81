"""Programs work on tasks, in rooms that their tokens reach."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.bridge.programs.refusals import of_task
from agent_bridge.core.ids import checked_user_id
from agent_bridge.core.names import one_line
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.tasks import TaskProblem, TaskRefused
from agent_bridge.core.tasks import TaskAction, TaskState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Any

    from agent_bridge.bridge.collaboration.tasks import TaskService
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.programs import Token
    from agent_bridge.core.tasks import Task
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.program_requests import ProgramRequest
    from agent_bridge.store.tasks import Tasks

    Change = Callable[[Connection], Awaitable[Task | TaskRefused]]

#: Tasks of a page.
_PAGE = 100
#: The states that a program gives a task, with the actions that lead there.
_ACTIONS = {
    TaskState.WORKING: TaskAction.PROGRESS,
    TaskState.INPUT_REQUIRED: TaskAction.ASK_INPUT,
    TaskState.AUTH_REQUIRED: TaskAction.ASK_AUTH,
    TaskState.COMPLETED: TaskAction.DONE,
    TaskState.FAILED: TaskAction.FAIL,
    TaskState.REJECTED: TaskAction.REJECT,
    TaskState.CANCELED: TaskAction.CANCEL,
}


class ProgramTasks:
    """The functions. Those that change something act once, and raise what :meth:`Requests.once` raises."""

    def __init__(
        self,
        access: Access,
        requests: Requests,
        database: Database,
        tasks: TaskService,
        store: Tasks,
        homeserver: Homeserver,
    ) -> None:
        self._access = access
        self._requests = requests
        self._database = database
        self._tasks = tasks
        self._store = store
        self._homeserver = homeserver

    async def listed(self, token: Token, room: str, *, closed: bool, page: int) -> Mapping[str, Any]:
        """Return a page of the tasks of a room, or of those that are assigned to the identity (empty).

        *closed*: also closed ones. A page is made of 100 tasks; those in rooms that the token does not reach are left
        out of it.

        Raises:
            ProgramRefused, HomeserverError, StoreError: they cannot be read.
        """
        if room:
            reached = await self._access.reach(token, room, Permission.READ)
            read = partial(self._store.in_room, reached.room_id, closed=closed)
        else:
            read = partial(self._store.of_person, token.user_id, closed=closed)
        found, total = await read(limit=_PAGE, offset=(page - 1) * _PAGE)
        if not found and page > 1:
            _, total = await read(limit=1)
        seen = [_task(each) for each in found if each.room_id is None or token.reaches(each.room_id)]
        return {"tasks": seen, "page": page, "pages": max(1, -(-total // _PAGE))}

    async def new(self, call: Call, room: str, title: str, parent: int | None) -> Outcome:
        """Make a task in a room; *parent*: the number of a task there of which it is a part."""
        actor, words = call.token.actor, one_line(title)

        async def act(_request: ProgramRequest) -> Mapping[str, Any]:
            reached = await self._access.reach(call.token, room, Permission.SEND)
            await self._permit(call.token, reached.room_id)
            if parent is None:
                return await self._changed(
                    lambda connection: self._tasks.create(connection, actor, call.name, reached.room_id, words)
                )
            await self._found(call.token, parent, reached.room_id)
            _, (made,) = await self._split(call, parent, [words])
            return made

        return await self._requests.once(call, act, status=201)

    async def claim(self, call: Call, number: int) -> Outcome:
        """Give a task that nobody works on to the identity. Of several programs at once, one gets it."""

        async def act(_request: ProgramRequest) -> Mapping[str, Any]:
            await self._found(call.token, number)
            return await self._changed(lambda connection: self._tasks.claim(connection, call.token.actor, number))

        return await self._requests.once(call, act)

    async def update(self, call: Call, number: int, state: TaskState, percent: int | None, note: str) -> Outcome:
        """Tell how far a task is, or close it: its assignee does, and in part its creator and moderators."""
        actor, action = call.token.actor, _ACTIONS.get(state)
        if action is None:
            raise ProgramRefused(Problem.INVALID_REQUEST, f"state: a program gives no task the state {state}")

        async def change(connection: Connection) -> Task | TaskRefused:
            if action is TaskAction.CANCEL:
                return await self._tasks.cancel(connection, actor, number)
            return await self._tasks.report(connection, actor, number, action, percent=percent, note=note)

        async def act(request: ProgramRequest) -> Mapping[str, Any]:
            task = await self._found(call.token, number)
            if not request.is_new and task.state is state and not state.is_open:
                # A call that was interrupted has closed it, or another one has: the states are the same.
                return _task(task)
            return await self._changed(change)

        return await self._requests.once(call, act)

    async def assign(self, call: Call, number: int, assignee: str) -> Outcome:
        """Keep a task for *assignee*, the user id of a person or the name of an agent in its room.

        The creator, the assignee and moderators may do that. A person is notified.
        """

        async def act(_request: ProgramRequest) -> Mapping[str, Any]:
            task = await self._found(call.token, number)
            user_id = await self._user(assignee)
            if await self._homeserver.membership(task.room_id or "", user_id) != "join":
                raise of_task(TaskRefused(TaskProblem.ASSIGNEE_OUTSIDE, number, by=user_id))
            return await self._changed(
                lambda connection: self._tasks.assign(connection, call.token.actor, number, user_id)
            )

        return await self._requests.once(call, act)

    async def split(self, call: Call, number: int, titles: Sequence[str]) -> Outcome:
        """Give a task subtasks, which the result has as ``subtasks``. Who may assign the task may do that."""
        words = [one_line(each) for each in titles]

        async def act(_request: ProgramRequest) -> Mapping[str, Any]:
            await self._found(call.token, number)
            task, made = await self._split(call, number, words)
            return {**task, "subtasks": made}

        return await self._requests.once(call, act)

    async def _split(
        self, call: Call, number: int, titles: Sequence[str]
    ) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        """Split a task, and return it with those of its subtasks that the call has made."""
        async with self._database.transaction() as connection:
            split = await self._tasks.split(connection, call.token.actor, call.name, number, titles)
            if isinstance(split, TaskRefused):
                raise of_task(split)
            task, numbers = split
            subtasks = await self._store.subtasks(number, connection)
        return _task(task), [_task(each) for each in subtasks if each.number in numbers]

    async def _user(self, name: str) -> str:
        """Return the user id of a person, or of the agent called *name*."""
        if name.startswith("@") and ":" in name and not self._homeserver.namespace.is_ours(name):
            try:
                return checked_user_id(name)
            except ValueError:
                raise ProgramRefused(Problem.USER_NOT_FOUND, f"{name} is no user id") from None
        return self._homeserver.namespace.user_id((await self._access.agent(name)).agent.ghost)

    async def _permit(self, token: Token, room_id: str | None) -> None:
        if (refused := await self._tasks.refusal(token.actor, room_id)) is not None:
            raise of_task(refused)

    async def _found(self, token: Token, number: int, room_id: str = "") -> Task:
        """Return the task *number* in a room in which the identity may work."""
        task = await self._store.find(number)
        if task is None or task.room_id is None or task.room_id != (room_id or task.room_id):
            raise ProgramRefused(Problem.TASK_NOT_FOUND, f"there is no task {number}")
        try:
            await self._access.reach(token, task.room_id, Permission.SEND)
        except ProgramRefused as error:
            if error.problem is not Problem.ROOM_NOT_FOUND:
                raise
            raise ProgramRefused(Problem.TASK_NOT_FOUND, f"there is no task {number}") from None
        await self._permit(token, task.room_id)
        return task

    async def _changed(self, change: Change) -> Mapping[str, Any]:
        async with self._database.transaction() as connection:
            changed = await change(connection)
        if isinstance(changed, TaskRefused):
            raise of_task(changed)
        return _task(changed)


def _task(task: Task) -> Mapping[str, Any]:
    return {
        "number": task.number,
        "title": task.title,
        "state": str(task.state),
        "creator": task.creator,
        "assignee": task.assignee,
        "progress": task.percent,
        "note": task.note,
        "parent": task.parent,
        "room_id": task.room_id,
    }
