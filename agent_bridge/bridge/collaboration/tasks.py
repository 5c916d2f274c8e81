"""Tasks: people and agents make, claim, split and close them, in one transaction each.

A method that changes something takes the connection of the caller's transaction, which decides that it happens once,
and returns the task as it is then, or why nothing was changed. The card follows the row (:mod:`.task_cards`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent_bridge.bridge.collaboration.task_checks import (
    first_problem,
    part_keys,
    report_refusal,
    title_refusal,
    unknown,
)
from agent_bridge.core.actors import Actor
from agent_bridge.core.ids import turn_key
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.permissions import CAN, Permission
from agent_bridge.core.results.commands import RoomAddress
from agent_bridge.core.results.tasks import TaskEntry, TaskProblem, TaskRefused
from agent_bridge.core.roles import Role
from agent_bridge.core.tasks import (
    CLOSED_BY,
    ENDING,
    GIVING,
    GIVING_UP,
    MOST_DEPTH,
    MOST_OPEN,
    MOST_SUBTASKS,
    OF_ASSIGNEE,
    TRANSITIONS,
    WHOLE,
    NewTask,
    TaskAction,
    TaskState,
    joint_percent,
    parts_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.bridge.collaboration.events import AgentEvents
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.tasks import CardClaim, Task
    from agent_bridge.store.notifications import Notifications
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.tasks import Tasks


class TaskService:
    """The functions about tasks. *claim_timeout*: seconds without progress after which a claim ends."""

    def __init__(
        self,
        store: Tasks,
        notifications: Notifications,
        events: AgentEvents,
        roles: Roles,
        namespace: Namespace,
        *,
        claim_timeout: float,
    ) -> None:
        self._store = store
        self._notifications = notifications
        self._events = events
        self._roles = roles
        self._namespace = namespace
        self._claim_timeout = claim_timeout

    async def refusal(self, actor: Actor, room_id: str | None) -> TaskRefused | None:
        """Return why *actor* may not use the tasks of a room; None: the actor is in it and may write there.

        Raises:
            HomeserverUnavailable: it is not known.
        """
        if room_id is None or await self._events.refusal(actor, room_id, needs_bot=True) is not None:
            return TaskRefused(TaskProblem.NOT_THERE)
        return None

    async def create(
        self, connection: Connection, actor: Actor, key: str, room_id: str, title: str
    ) -> Task | TaskRefused:
        """Make a task in a room; a repeat with the same *key* returns the first one."""
        refused = title_refusal(title)
        if refused is not None:
            return refused
        present = await self._store.count_open(connection, room_id)
        if present is None:
            return TaskRefused(TaskProblem.NOT_THERE)
        if (known := await self._store.requested(connection, key)) is not None:
            return (await self._store.lock(connection, known))[known]
        if present >= MOST_OPEN:
            return TaskRefused(TaskProblem.TOO_MANY, most=MOST_OPEN)
        number = await self._store.add(connection, NewTask(key, room_id, title, actor.user_id))
        return (await self._store.lock(connection, number))[number]

    async def claim(self, connection: Connection, actor: Actor, number: int) -> Task | TaskRefused:
        """Give a task that nobody works on to *actor*. Of several at once, one gets it."""
        family = await self._store.lock(connection, number)
        task = family.get(number)
        if task is None:
            return unknown(number)
        if task.state.is_begun and task.assignee == actor.user_id:
            return task
        if task.assignee not in {None, actor.user_id} and task.state.is_open:
            return TaskRefused(TaskProblem.TAKEN, number, task.state, task.assignee or "")
        return await self._apply(connection, family, task, TaskAction.CLAIM, assignee=actor.user_id)

    async def claim_card(self, connection: Connection, request: CardClaim) -> bool:
        """Give the task of a card to the person who reacted to it, if nobody has it; tell whether it is a card."""
        number = await self._store.by_card(request.room_id, request.target, connection)
        if number is None:
            return False
        await self.claim(connection, Actor(request.sender), number)
        return True

    async def report(
        self,
        connection: Connection,
        actor: Actor,
        number: int,
        action: TaskAction,
        *,
        percent: int | None = None,
        note: str = "",
    ) -> Task | TaskRefused:
        """Have the assignee go on with a task or close it: *action* is one of progress, ask, done, fail and reject.

        *percent* and *note* stay as they are without new ones. The creator and moderators may tell that it is done.
        A task that fails, or is declined, is canceled in its open subtasks.
        """
        family = await self._store.lock(connection, number, below=action in GIVING_UP)
        task = family.get(number)
        if task is None:
            return unknown(number)
        is_assignee = task.assignee == actor.user_id
        if is_assignee and action in CLOSED_BY and task.state is CLOSED_BY[action]:
            return task
        subtasks = await self._store.subtasks(number, connection)
        may = is_assignee or (action not in OF_ASSIGNEE and self._manages(actor, task, family))
        checks = {
            TaskProblem.UNCLAIMED: task.state.is_open and task.assignee is None,
            TaskProblem.NOT_YOURS: not may,
            TaskProblem.OPEN_SUBTASKS: action is TaskAction.DONE and any(each.state.is_open for each in subtasks),
        }
        if (problem := first_problem(checks)) is not None:
            return TaskRefused(problem, number, task.state, task.assignee or "")
        if (refused := report_refusal(number, percent, note)) is not None:
            return refused
        own = None if subtasks else percent
        done = await self._apply(connection, family, task, action, percent=own, note=note)
        if note and not isinstance(done, TaskRefused):
            await self._store.noted(connection, number, actor.user_id)
        return done

    async def cancel(self, connection: Connection, actor: Actor, number: int) -> Task | TaskRefused:
        """Cancel a task with its open subtasks, as its creator or a moderator."""
        family = await self._store.lock(connection, number, below=True)
        task = family.get(number)
        if task is None:
            return unknown(number)
        if not self._manages(actor, task, family):
            return TaskRefused(TaskProblem.NOT_YOURS, number, task.state, task.assignee or "")
        if task.state is TaskState.CANCELED:
            return task
        return await self._apply(connection, family, task, TaskAction.CANCEL)

    async def withdraw(self, connection: Connection, room_id: str, target: str) -> None:
        """Cancel the tasks whose card, or command, the redacted event *target* is, and forget their words.

        The homeserver has decided that its sender may redact it. Of a task that is closed, only the words go.
        """
        key = f"command.{turn_key(target, self._namespace.bot_username)}"
        keys = [key, *part_keys(key, MOST_SUBTASKS)]
        for number in await self._store.of_redacted(connection, room_id, target, keys):
            family = await self._store.lock(connection, number, below=True)
            if number in family and family[number].state.is_open:
                await self._apply(connection, family, family[number], TaskAction.CANCEL)
            await self._store.withdraw(connection, number, target)

    async def assign(self, connection: Connection, actor: Actor, number: int, user_id: str) -> Task | TaskRefused:
        """Have *user_id* alone work on a task: its creator, its assignee or a moderator decides. A person is notified.

        The caller has seen that *user_id* is in the room.
        """
        family = await self._store.lock(connection, number)
        task = family.get(number)
        if task is None:
            return unknown(number)
        if task.assignee != actor.user_id and not self._manages(actor, task, family):
            return TaskRefused(TaskProblem.NOT_YOURS, number, task.state, task.assignee or "")
        if task.assignee == user_id and task.state.is_open:
            return task
        if user_id == self._namespace.bot:
            # The bot is in each room of tasks, and works on none.
            return TaskRefused(TaskProblem.WHO, number)
        if not self._may_work(user_id, task.room_id or ""):
            return TaskRefused(TaskProblem.ASSIGNEE_WITHOUT_ROLE, number, by=user_id)
        changed = await self._apply(connection, family, task, TaskAction.ASSIGN, assignee=user_id)
        if not isinstance(changed, TaskRefused) and user_id != actor.user_id and not self._namespace.is_ours(user_id):
            values: Mapping[str, str | int] = {"task": number, "title": task.title, "by": actor.user_id}
            news = Notification(user_id, NotificationKind.TASK_ASSIGNED, task.room_id, values)
            await self._notifications.add(connection, news)
        return changed

    async def split(
        self, connection: Connection, actor: Actor, key: str, number: int, titles: Sequence[str]
    ) -> tuple[Task, list[int]] | TaskRefused:
        """Give a task subtasks, and return their numbers: its creator, its assignee or a moderator decides.

        A repeat with the same *key* returns the first ones.
        """
        family = await self._store.lock(connection, number)
        task = family.get(number)
        if task is None or task.room_id is None:
            return unknown(number)
        keys = part_keys(key, len(titles))
        present = await self._store.subtasks(number, connection)
        made = [each.number for each in present if each.key in keys]
        if made:
            return task, made
        refused = await self._split_refusal(connection, actor, family, task, titles, len(present))
        if refused is not None:
            return refused
        for each, title in zip(keys, titles, strict=True):
            made.append(await self._store.add(connection, NewTask(each, task.room_id, title, actor.user_id, number)))
        changed = await self._apply(connection, family, task, TaskAction.SPLIT)
        return changed if isinstance(changed, TaskRefused) else (changed, made)

    async def _split_refusal(
        self,
        connection: Connection,
        actor: Actor,
        family: Mapping[int, Task],
        task: Task,
        titles: Sequence[str],
        present: int,
    ) -> TaskRefused | None:
        """Return why *task*, which has *present* subtasks, cannot be split into further ones with *titles*."""
        refused = next((each for title in titles if (each := title_refusal(title)) is not None), None)
        if refused is not None:
            return refused
        room = await self._store.count_open(connection, task.room_id or "") or 0
        limits = {
            TaskProblem.TOO_DEEP: (len(family), MOST_DEPTH - 1),
            TaskProblem.TOO_MANY_SUBTASKS: (present + len(titles), MOST_SUBTASKS),
            TaskProblem.TOO_MANY: (room + len(titles), MOST_OPEN),
        }
        problem = first_problem(
            {
                TaskProblem.NO_TITLE: not titles,
                TaskProblem.NOT_YOURS: task.assignee != actor.user_id and not self._manages(actor, task, family),
                **{each: number > most for each, (number, most) in limits.items()},
                TaskProblem.BAD_STATE: (task.state, TaskAction.SPLIT) not in TRANSITIONS,
            }
        )
        most = MOST_DEPTH if problem is TaskProblem.TOO_DEEP else limits.get(problem, (0, 0))[1] if problem else 0
        return None if problem is None else TaskRefused(problem, task.number, task.state, task.assignee or "", most)

    async def expire(self, connection: Connection, number: int) -> None:
        """End the claim of a task whose time is over: anybody can claim it again."""
        family = await self._store.lock(connection, number)
        if number in family and await self._store.is_late(connection, number):
            await self._apply(connection, family, family[number], TaskAction.EXPIRE, assignee=None)

    async def release(self, connection: Connection, number: int, user_id: str) -> None:
        """Free an open task of *user_id*: it is over for this user, and all members can claim it."""
        family = await self._store.lock(connection, number)
        if number in family and family[number].assignee == user_id:
            await self._apply(connection, family, family[number], TaskAction.RELEASE, assignee=None)

    async def entries(self, tasks: Sequence[Task]) -> list[TaskEntry]:
        """Return *tasks* for people and programs: with the names of agents.

        Raises:
            StoreError: the names cannot be read.
        """
        users = {user for each in tasks for user in (each.creator, each.assignee) if user is not None}
        names = await self.names(users)
        return [self._entry(each, names) for each in tasks]

    async def names(self, users: set[str]) -> Mapping[str, str]:
        """Return the names of the agents among *users* (user ids)."""
        ghosts = {user[1:].partition(":")[0]: user for user in users if self._namespace.is_ours(user)}
        found = await self._store.agent_names(ghosts) if ghosts else {}
        return {ghosts[ghost]: name for ghost, name in found.items()}

    def _entry(self, task: Task, names: Mapping[str, str]) -> TaskEntry:
        return TaskEntry(
            number=task.number,
            title=task.title,
            state=task.state,
            creator=names.get(task.creator, task.creator),
            assignee=None if task.assignee is None else names.get(task.assignee, task.assignee),
            percent=task.percent,
            note=task.note,
            parent=task.parent,
            room=None if task.room_id is None else RoomAddress(task.room_id, self._namespace.domain),
        )

    def _may_work(self, user_id: str, room_id: str) -> bool:
        """Tell whether the role of a person or an agent is enough to work on tasks of a room."""
        role = Role.AGENT if self._namespace.is_ours(user_id) else self._roles.of(user_id, room_id)
        return Permission.SEND in CAN[role] and not self._roles.is_muted(user_id, room_id)

    def _manages(self, actor: Actor, task: Task, family: Mapping[int, Task]) -> bool:
        """Tell whether *actor* decides about *task*, which is in *family* with those of which it is a part.

        The creator does, those who made or work on a task of which it is a part, and moderators of the room. Agents are
        no moderators.
        """
        above: Task | None = task
        while above is not None:
            if actor.user_id == above.creator or (above is not task and actor.user_id == above.assignee):
                return True
            above = None if above.parent is None else family.get(above.parent)
        role = Role.AGENT if actor.is_agent else self._roles.of(actor.user_id, task.room_id or "")
        return Permission.SETTINGS in CAN[role]

    async def _apply(
        self,
        connection: Connection,
        family: dict[int, Task],
        task: Task,
        action: TaskAction,
        *,
        assignee: str | None = None,
        percent: int | None = None,
        note: str = "",
    ) -> Task | TaskRefused:
        """Carry *action* out, as far as the state of *task* permits it, and have those of which it is a part follow.

        *family*: the locked tasks. The open subtasks of a task that is given up are canceled.
        """
        state = TRANSITIONS.get((task.state, action))
        if state is None:
            return TaskRefused(TaskProblem.BAD_STATE, task.number, task.state, task.assignee or "")
        if action in GIVING_UP:
            await self._cancel_parts(connection, family, task.number)
        is_given = action in GIVING
        changed = replace(
            task,
            state=state,
            assignee=assignee if is_given else task.assignee,
            percent=WHOLE if state is TaskState.COMPLETED else task.percent if percent is None else percent,
            note=note or task.note,
            changes=task.changes + 1,
        )
        changed = await self._with_subtasks(connection, changed)
        family[task.number] = changed
        claimed = self._claim_timeout if state is TaskState.WORKING and action is not TaskAction.SPLIT else None
        keeps = action is TaskAction.SPLIT
        await self._store.save(connection, changed, seconds=claimed, keeps=keeps)
        await self._follow(connection, family, changed, is_progress=action not in ENDING)
        return changed

    async def _cancel_parts(self, connection: Connection, family: dict[int, Task], number: int) -> None:
        # The lowest first: their states count for those above.
        for each in sorted(parts_of(family, number), key=lambda found: -found.number):
            if each.state.is_open:
                family[each.number] = canceled = replace(each, state=TaskState.CANCELED)
                await self._store.save(connection, canceled)

    async def _with_subtasks(self, connection: Connection, task: Task) -> Task:
        """Return *task* with the joint percentage of its subtasks, if it has some that count."""
        if task.state is TaskState.COMPLETED:
            return task
        subtasks = await self._store.subtasks(task.number, connection)
        percent = joint_percent((each.state, each.percent) for each in subtasks)
        return task if percent is None else replace(task, percent=percent)

    async def _follow(
        self, connection: Connection, family: Mapping[int, Task], task: Task, *, is_progress: bool
    ) -> None:
        """Write the tasks of which *task* is a part, from the nearest on: their cards show it.

        The work on a part is progress: the claims go on. The end of the work is none.
        """
        while task.parent is not None and (parent := family.get(task.parent)) is not None:
            task = await self._with_subtasks(connection, replace(parent, changes=parent.changes + 1))
            claimed = self._claim_timeout if task.state is TaskState.WORKING else None
            await self._store.save(connection, task, seconds=claimed, keeps=not is_progress)
