"""The command ``thread``: threads of the room get names, are listed and archived."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import ThreadWords
from agent_bridge.commands.arguments import words_of
from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.commands.room_power import moderates
from agent_bridge.core.actors import Actor
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.threads import (
    ThreadChange,
    ThreadChanged,
    ThreadList,
    ThreadProblem,
    ThreadRefused,
    ThreadResult,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.threads import Thread
    from agent_bridge.store.postgres.database import Connection

#: The word that asks for the other list.
_ARCHIVED = "archived"
#: Digits of the number of a page.
_DIGITS = 4


class ThreadAction(StrEnum):
    """What is done about threads."""

    LIST = "list"
    NEW = "new"
    RENAME = "rename"
    ARCHIVE = "archive"


@command("thread", group=Group.SERVERS, permission=Permission.READ, example="new Trip to Oslo")
async def thread(
    ctx: CommandContext, action: ThreadAction = ThreadAction.LIST, named: ThreadWords | None = None
) -> ThreadResult:
    """List the threads of the room that have names, begin one, or name or archive the one of the command.

    That is the thread in which the command is given, or the one of the message to which it replies. Running twice has
    the effect of one run.
    """
    act: Mapping[ThreadAction, Callable[[CommandContext, str], Awaitable[ThreadResult]]] = {
        ThreadAction.LIST: _list,
        ThreadAction.NEW: _new,
        ThreadAction.RENAME: _name,
        ThreadAction.ARCHIVE: _archive,
    }
    return await act[action](ctx, named or "")


async def _list(ctx: CommandContext, words: str) -> ThreadList | ThreadRefused:
    given = [each.lower() for each in words_of(words)]
    pages = [each for each in given if each != _ARCHIVED]
    if not pages:
        pages = ["1"]
    page = int(pages[0]) if pages[0].isdecimal() and len(pages[0]) <= _DIGITS else 0
    if len(pages) > 1 or page < 1:
        return ThreadRefused(ThreadProblem.BAD_PAGE)
    found = await ctx.services.threads.listed(ctx.room_id, archived=_ARCHIVED in given, page=page)
    return ThreadRefused(ThreadProblem.BAD_PAGE) if page > found.pages else found


async def _new(ctx: CommandContext, words: str) -> ThreadChanged | ThreadRefused:
    """Begin a thread with the bot's message, or name the one of the command."""
    if ctx.thread or ctx.reply_to is not None:
        return await _name(ctx, words)
    threads = ctx.services.threads

    async def act(connection: Connection) -> Effect:
        made = await threads.create(
            connection, Actor(ctx.sender), ctx.room_id, " ".join(words_of(words)), key=ctx.key, since=ctx.event_id
        )
        return _effect(made, ThreadChange.MADE)

    return await _shown(ctx, await once(ctx, act))


async def _name(ctx: CommandContext, words: str) -> ThreadChanged | ThreadRefused:
    threads = ctx.services.threads
    root = await _root(ctx)
    if isinstance(root, ThreadRefused):
        return root
    may_moderate = await moderates(ctx)

    async def act(connection: Connection) -> Effect:
        named = await threads.name(
            connection,
            Actor(ctx.sender),
            ctx.room_id,
            root,
            " ".join(words_of(words)),
            key=ctx.key,
            since=ctx.event_id,
            moderates=may_moderate,
        )
        return _effect(named, ThreadChange.NAMED) if isinstance(named, ThreadRefused) else _effect(*named)

    return await _shown(ctx, await once(ctx, act))


async def _archive(ctx: CommandContext, _words: str) -> ThreadChanged | ThreadRefused:
    threads = ctx.services.threads
    root = await _root(ctx)
    if isinstance(root, ThreadRefused):
        return root
    may_moderate = await moderates(ctx)

    async def act(connection: Connection) -> Effect:
        done = await threads.archive(
            connection, Actor(ctx.sender), ctx.room_id, root, key=ctx.key, moderates=may_moderate
        )
        return _effect(done, ThreadChange.ARCHIVED)

    return await _shown(ctx, await once(ctx, act))


async def _root(ctx: CommandContext) -> str | ThreadRefused:
    """Return the first event of the thread that the command means."""
    if ctx.thread:
        return ctx.thread
    if ctx.reply_to is None:
        return ThreadRefused(ThreadProblem.WHICH)
    root = await ctx.services.threads.root_of(ctx.room_id, ctx.reply_to)
    return root if root is not None else ThreadRefused(ThreadProblem.NO_ROOT)


def _effect(done: Thread | ThreadRefused, change: ThreadChange) -> Effect:
    if isinstance(done, ThreadRefused):
        return {"problem": done.problem, "most": done.most}
    return {"thread": done.id, "change": change}


async def _shown(ctx: CommandContext, effect: Effect) -> ThreadChanged | ThreadRefused:
    """Have the room show the name, and return the result of *effect*."""
    if "problem" in effect:
        return ThreadRefused(ThreadProblem(effect["problem"]), effect["most"])
    threads = ctx.services.threads
    found = await threads.show(effect["thread"], again=ctx.was_interrupted)
    if found is None:
        return ThreadRefused(ThreadProblem.UNNAMED)
    return threads.changed(found, ThreadChange(effect["change"]))
