"""Programs work together: they post agent events, take on tasks, and vote, in rooms that their tokens reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.agent_events import MOST_TEXT, NewEvent
from agent_bridge.core.names import member_name, one_line
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.events import EventRefused
from agent_bridge.core.results.tasks import TaskRefused
from agent_bridge.core.results.votes import VoteRefused
from agent_bridge.core.tasks import TaskAction, TaskState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import tzinfo

    from agent_bridge.bridge.collaboration.events import AgentEvents
    from agent_bridge.bridge.collaboration.tasks import TaskService
    from agent_bridge.bridge.collaboration.votes import Votes
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.programs import Token
    from agent_bridge.core.results.votes import VoteList
    from agent_bridge.core.tasks import Task
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.program_requests import ProgramRequest
    from agent_bridge.store.tasks import Tasks

    Change = Callable[[Connection], Awaitable[Task | TaskRefused]]

#: Tasks that one call lists.
_LISTED = 100
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


class Work:
    """The functions. A refusal of the services is a problem with its *reason*."""

    def __init__(
        self,
        access: Access,
        requests: Requests,
        database: Database,
        events: AgentEvents,
        tasks: TaskService,
        store: Tasks,
        votes: Votes,
    ) -> None:
        self._access = access
        self._requests = requests
        self._database = database
        self._events = events
        self._tasks = tasks
        self._store = store
        self._votes = votes

    async def post_event(self, call: Call, room: str, kind: str, data: Mapping[str, Any], text: str) -> Outcome:
        """Post an agent event into a room, once.

        Raises:
            ProgramRefused, HomeserverError, StoreError: see :meth:`Requests.once`.
        """
        actor = call.token.actor

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            reached = await self._access.reach(call.token, room, Permission.SEND)
            refused = await self._events.refusal(actor, reached.room_id, needs_bot=not actor.is_agent)
            if refused is None:
                name = call.token.agent_name or member_name(reached.member, actor.user_id)
                new = NewEvent(
                    key=call.name, room_id=reached.room_id, actor=actor, kind=kind, data=data, text=text[:MOST_TEXT]
                )
                async with self._database.transaction() as connection:
                    refused = await self._events.post(connection, new, name)
            if refused is not None:
                raise _refusal(refused)
            return {"room_id": reached.room_id, "kind": kind}

        return await self._requests.once(call, act)

    async def tasks(self, token: Token, room: str, *, closed: bool) -> Sequence[Mapping[str, Any]]:
        """Return up to 100 tasks of a room, or those that are assigned to the identity (empty); *closed*: all of them.

        Raises:
            ProgramRefused, HomeserverError, StoreError: they cannot be read.
        """
        if room:
            reached = await self._access.reach(token, room, Permission.READ)
            found, _ = await self._store.in_room(reached.room_id, closed=closed, limit=_LISTED)
        else:
            found, _ = await self._store.of_person(token.user_id, closed=closed, limit=_LISTED)
        return [_task(each) for each in found if each.room_id is None or token.reaches(each.room_id)]

    async def new_task(self, call: Call, room: str, title: str, parent: int | None) -> Outcome:
        """Make a task in a room, once; *parent*: the number of a task there of which it is a part."""
        actor, words = call.token.actor, one_line(title)

        async def act(_request: ProgramRequest) -> Mapping[str, Any]:
            reached = await self._access.reach(call.token, room, Permission.SEND)
            await self._permit(call.token, reached.room_id)
            if parent is None:
                return await self._changed(
                    lambda connection: self._tasks.create(connection, actor, call.name, reached.room_id, words)
                )
            await self._found(call.token, parent, reached.room_id)
            async with self._database.transaction() as connection:
                made = await self._tasks.split(connection, actor, call.name, parent, [words])
            if isinstance(made, TaskRefused):
                raise _refusal(made)
            return _task(await self._found(call.token, made[1][0], reached.room_id))

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

    async def votes(self, token: Token, room: str, zone: tzinfo) -> VoteList:
        """Return the votes of a room."""
        reached = await self._access.reach(token, room, Permission.READ)
        return await self._votes.listed(reached.room_id, zone)

    async def vote(self, call: Call, room: str, number: int | None, answer: str | None) -> Outcome:
        """Give a vote of the identity, once; None: take it back. *number*: None is the only open vote."""

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            reached = await self._access.reach(call.token, room, Permission.SEND)
            async with self._database.transaction() as connection:
                cast = await self._votes.cast(
                    connection, call.token.actor, reached.room_id, number, answer, key=call.name
                )
            if isinstance(cast, VoteRefused):
                raise _refusal(cast)
            return {"number": cast.number, "answer": cast.answer}

        return await self._requests.once(call, act)

    async def _permit(self, token: Token, room_id: str | None) -> None:
        if (refused := await self._tasks.refusal(token.actor, room_id)) is not None:
            raise _refusal(refused)

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
            raise _refusal(changed)
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


def _refusal(refused: TaskRefused | EventRefused | VoteRefused) -> ProgramRefused:
    more: dict[str, Any] = {"reason": str(refused.problem)} | ({"limit": refused.most} if refused.most else {})
    if isinstance(refused, TaskRefused):
        more |= {"state": refused.state} if refused.state else {}
        more |= {"assignee": refused.by} if refused.by else {}
        return ProgramRefused(Problem.TASK_REFUSED, more=more)
    if isinstance(refused, EventRefused):
        return ProgramRefused(Problem.EVENT_REFUSED, more=more | ({"place": refused.place} if refused.place else {}))
    return ProgramRefused(Problem.VOTE_REFUSED, more=more | ({"words": refused.words} if refused.words else {}))
