"""The commands ``task`` and ``tasks``."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import PageNumber, TaskWords, the_agent
from agent_bridge.commands.arguments import words_of
from agent_bridge.commands.effects import once
from agent_bridge.commands.lookup import visible_agents
from agent_bridge.commands.pages import number_of_pages
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.actors import Actor
from agent_bridge.core.ids import checked_user_id
from agent_bridge.core.names import one_line
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Argument, Group
from agent_bridge.core.results.tasks import (
    TaskChanged,
    TaskList,
    TaskMade,
    TaskProblem,
    TaskRefused,
    TaskResult,
    TaskSplit,
)
from agent_bridge.core.rooms import KindName
from agent_bridge.core.tasks import Task, TaskAction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.results.tasks import TaskEntry
    from agent_bridge.store.postgres.database import Connection

    #: Changes a task, in a transaction.
    Change = Callable[[Connection, Actor, int], Awaitable[Task | TaskRefused]]

_PAGE = 25
_FIRST = PageNumber(1)
_ASSIGNEE = Argument("agent", required=True)
#: Between the titles of subtasks.
_BAR = "|"
#: Digits of a number.
_DIGITS = 15
#: A percentage that is no whole number from 0 on: a slip, and no note.
_PERCENTAGE = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?%")


class TaskCommand(StrEnum):
    """What is done about a task."""

    NEW = "new"
    CLAIM = "claim"
    PROGRESS = "progress"
    DONE = "done"
    FAIL = "fail"
    CANCEL = "cancel"
    ASSIGN = "assign"
    SPLIT = "split"


#: The actions of commands that report on a task.
_REPORTS = {
    TaskCommand.PROGRESS: TaskAction.PROGRESS,
    TaskCommand.DONE: TaskAction.DONE,
    TaskCommand.FAIL: TaskAction.FAIL,
}


@command("task", group=Group.TASKS, permission=Permission.JOIN, example="new Write the report")
async def task(ctx: CommandContext, action: TaskCommand, words: TaskWords | None = None) -> TaskResult:
    """Make a task in this room, or change one: it is named by its number, or by a reply to its card.

    Running twice has the effect of one run.
    """
    text = words or ""
    if action is TaskCommand.NEW:
        return await _new(ctx, text)
    number, rest = await _named(ctx, text)
    if number is None:
        return TaskRefused(TaskProblem.WHICH_TASK)
    found = await ctx.services.task_store.find(number)
    if found is None:
        return TaskRefused(TaskProblem.UNKNOWN, number)
    refused = await ctx.services.tasks.refusal(Actor(ctx.sender), found.room_id)
    if refused is not None:
        return refused
    return await _run(ctx, action, found, rest)


async def _run(ctx: CommandContext, action: TaskCommand, found: Task, text: str) -> TaskResult:
    """Carry *action* out for a task in a room of the caller."""
    service, number = ctx.services.tasks, found.number
    if action is TaskCommand.SPLIT:
        return await _split(ctx, number, text)
    if action is TaskCommand.ASSIGN:
        return await _assign(ctx, found, text)
    if action in _REPORTS:
        return await _report(ctx, number, _REPORTS[action], text)
    if action is TaskCommand.CLAIM:
        return await _changed(ctx, number, TaskAction.CLAIM, service.claim)
    return await _changed(ctx, number, TaskAction.CANCEL, service.cancel)


@command("tasks", group=Group.TASKS, permission=Permission.READ, example="all")
async def tasks(ctx: CommandContext, page: PageNumber = _FIRST, *, all_: bool = False) -> TaskList:
    """List the open tasks of this room, or, in a chat with the bot, those of the caller; *all*: also closed ones."""
    store, offset = ctx.services.task_store, max(0, page - 1) * _PAGE
    room = (await ctx.services.rooms.contexts([ctx.room_id])).get(ctx.room_id)
    is_own = room is not None and (room.kind is KindName.BOT or room.is_unbound)
    read = partial(store.of_person, ctx.sender) if is_own else partial(store.in_room, ctx.room_id)
    found, total = await read(closed=all_, limit=_PAGE, offset=offset)
    if not found and offset:
        _, total = await read(closed=all_, limit=1)
    entries = await ctx.services.tasks.entries(found)
    return TaskList(tuple(entries), page, number_of_pages(page, total, _PAGE), is_own, all_)


async def _named(ctx: CommandContext, text: str) -> tuple[int | None, str]:
    """Return the number of the task that *text* begins with, or of the card that is replied to, and the other words."""
    first, _, rest = text.partition(" ")
    word = first.removeprefix("#")
    if ctx.reply_to is not None and not first.startswith("#"):
        number = await ctx.services.task_store.by_card(ctx.room_id, ctx.reply_to)
        if number is not None and word != str(number):
            return number, text
    if word.isdecimal() and word.isascii() and len(word) <= _DIGITS:
        return int(word), rest.strip()
    return None, text


async def _new(ctx: CommandContext, text: str) -> TaskMade | TaskRefused:
    service, actor = ctx.services.tasks, Actor(ctx.sender)
    refused = await service.refusal(actor, ctx.room_id)
    if refused is not None:
        return refused
    title = one_line(_unquoted(text))

    async def act(connection: Connection) -> Effect:
        made = await service.create(connection, actor, f"command.{ctx.key}", ctx.room_id, title)
        return _refused(made) if isinstance(made, TaskRefused) else {"task": made.number}

    effect = await once(ctx, act)
    if (refusal := _refusal_in(effect)) is not None:
        return refusal
    made = await ctx.services.task_store.find(effect["task"])
    return TaskRefused(TaskProblem.UNKNOWN, effect["task"]) if made is None else TaskMade(await _entry(ctx, made))


async def _report(ctx: CommandContext, number: int, action: TaskAction, text: str) -> TaskChanged | TaskRefused:
    percent = None
    if action is TaskAction.PROGRESS:
        first, _, rest = text.partition(" ")
        word = first.removesuffix("%")
        is_whole = word.isdecimal() and word.isascii()
        if is_whole or _PERCENTAGE.fullmatch(first):
            if not is_whole or len(word) > _DIGITS:
                return TaskRefused(TaskProblem.BAD_PERCENT, number, word[:_DIGITS], most=100)
            percent, text = int(word), rest.strip().removeprefix("%").strip()
    change = partial(ctx.services.tasks.report, action=action, percent=percent, note=text)
    return await _changed(ctx, number, action, change)


async def _assign(ctx: CommandContext, found: Task, text: str) -> TaskChanged | TaskRefused:
    """Assign the task to a person or an agent in its room.

    Raises:
        ArgumentError: *text* means no agent, or several.
    """
    services, named = ctx.services, one_line(_unquoted(text))
    if not named.removeprefix("@"):
        return TaskRefused(TaskProblem.WHO, found.number)
    if _is_user_id(named):
        user = named
    else:
        agents = await visible_agents(ctx)
        chosen = await the_agent(_ASSIGNEE, named.removeprefix("@"), agents, services.namespace.domain)
        user = services.namespace.user_id(chosen.agent.ghost)
    if await services.homeserver.membership(found.room_id or "", user) != "join":
        return TaskRefused(TaskProblem.ASSIGNEE_OUTSIDE, found.number, by=named)
    return await _changed(ctx, found.number, TaskAction.ASSIGN, partial(services.tasks.assign, user_id=user))


async def _split(ctx: CommandContext, number: int, text: str) -> TaskSplit | TaskRefused:
    service, actor = ctx.services.tasks, Actor(ctx.sender)
    titles = [title for each in text.split(_BAR) if (title := one_line(_unquoted(each.strip())))]

    async def act(connection: Connection) -> Effect:
        split = await service.split(connection, actor, f"command.{ctx.key}", number, titles)
        return _refused(split) if isinstance(split, TaskRefused) else {"subtasks": split[1]}

    effect = await once(ctx, act)
    if (refusal := _refusal_in(effect)) is not None:
        return refusal
    found = await ctx.services.task_store.find(number)
    if found is None:
        return TaskRefused(TaskProblem.UNKNOWN, number)
    return TaskSplit(await _entry(ctx, found), tuple(effect["subtasks"]))


async def _changed(ctx: CommandContext, number: int, action: TaskAction, change: Change) -> TaskChanged | TaskRefused:
    """Carry *change* out, once, and return the task as it is then."""

    async def act(connection: Connection) -> Effect:
        changed = await change(connection, Actor(ctx.sender), number)
        return _refused(changed) if isinstance(changed, TaskRefused) else {"task": number}

    if (refusal := _refusal_in(await once(ctx, act))) is not None:
        names = await ctx.services.tasks.names({refusal.by})
        return TaskRefused(
            refusal.problem, refusal.number, refusal.state, names.get(refusal.by, refusal.by), refusal.most
        )
    found = await ctx.services.task_store.find(number)
    if found is None:
        return TaskRefused(TaskProblem.UNKNOWN, number)
    return TaskChanged(await _entry(ctx, found), action)


async def _entry(ctx: CommandContext, found: Task) -> TaskEntry:
    return (await ctx.services.tasks.entries([found]))[0]


def _is_user_id(text: str) -> bool:
    try:
        checked_user_id(text)
    except ValueError:
        return False
    return True


def _unquoted(text: str) -> str:
    """Return *text* without the quotes around all of it."""
    words: Sequence[str] = words_of(text)
    return words[0] if len(words) == 1 else text


def _refused(refusal: TaskRefused) -> Effect:
    return {
        "problem": refusal.problem,
        "number": refusal.number,
        "state": refusal.state,
        "by": refusal.by,
        "most": refusal.most,
    }


def _refusal_in(effect: Mapping[str, object]) -> TaskRefused | None:
    if "problem" not in effect:
        return None
    values = {key: effect[key] for key in ("number", "state", "by", "most")}
    return TaskRefused(TaskProblem(str(effect["problem"])), **values)  # type: ignore[arg-type]
