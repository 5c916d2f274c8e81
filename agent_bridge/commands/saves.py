"""Commands about copies of conversations: save one, list them, go on with one, delete one.

Intake puts them into the lane of the agent, so each stands between the messages before and after it.

A command that copies on the agent's server has three steps: it decides which conversation is meant, it has the server
make the copy, and it stores the copy. The name of the copy has a word that derives from the turn until the copy is
stored, so a repeat after a kill finds it.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import ArgumentError, SaveName
from agent_bridge.commands.conversation import Talk, marker_of, new_session, rename_copy, talk_of
from agent_bridge.commands.effects import once, then
from agent_bridge.commands.erasure import ME, ask_to_erase
from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Argument, ArgumentProblem, Group, WrongRoom
from agent_bridge.core.results.contexts import (
    ContextForgotten,
    ContextList,
    ContextLoaded,
    ContextOption,
    ContextRefusal,
    ContextRefused,
    ContextSaved,
)
from agent_bridge.core.results.erasure import ErasureAsked, ErasureRefused
from agent_bridge.core.rooms import ChoiceKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.contexts import ContextEntry
    from agent_bridge.store.postgres.database import Connection

#: Copies that a person can save of the conversations with an agent, and entries of a list.
_MOST, _LISTED = 100, 20
#: The argument of ``load``.
_SAVED = Argument("saved", required=False)


@command("save", group=Group.CONVERSATION, permission=Permission.JOIN, where=Where.AGENT_ROOM, example="before Oslo")
async def save(ctx: CommandContext, name: SaveName | None = None) -> ContextSaved | ContextRefused:
    """Save a copy of the conversation so far for the caller, who can load it in any room of the agent."""
    talk = talk_of(ctx)
    if isinstance(talk, ContextRefused):
        return talk
    if (refusal := _never_saved(talk, name)) is not None:
        return talk.refused(refusal)
    contexts = ctx.services.contexts

    async def choose(connection: Connection) -> Effect:
        if not talk.upstream.traits.stateful and await contexts.is_empty(connection, ctx.lane):
            return {"refused": ContextRefusal.EMPTY}
        names = await contexts.names(connection, ctx.sender, talk.agent.id)
        if len(names) >= _MOST:
            return {"refused": ContextRefusal.TOO_MANY}
        if name is not None and name.lower() in names:
            return {"refused": ContextRefusal.NAME_TAKEN}
        return {"text": name or _free_name(names)}

    chosen = await once(ctx, choose)
    ref = None if chosen.keys() & {"refused", "saved"} else await _copy_present(ctx, talk)

    async def act(connection: Connection) -> Effect:
        source = await contexts.present(connection, ctx.lane, ctx.session)
        if ref is None and await contexts.is_empty(connection, ctx.lane):
            return {"refused": ContextRefusal.EMPTY}
        kind = None if ref is None else talk.agent.kind
        saved = await contexts.save(
            connection, ctx.lane, source, ctx.sender, chosen["text"], upstream_ref=ref, upstream_kind=kind
        )
        return {**chosen, "saved": saved, "ref": ref}

    effect = chosen if "refused" in chosen else await then(ctx, "saved", act)
    if "refused" in effect:
        return talk.refused(ContextRefusal(effect["refused"]), name=name or "", most=_MOST)
    await rename_copy(talk, effect["ref"], effect["text"])
    return ContextSaved(effect["text"])


@command("saves", group=Group.CONVERSATION, permission=Permission.READ, where=Where.AGENT_ROOM, exact=True)
async def saves(ctx: CommandContext) -> ContextList | ContextRefused:
    """List the conversations that the caller can load, for a choice by number. Running twice shows the same list."""
    talk = talk_of(ctx)
    return talk if isinstance(talk, ContextRefused) else _list(talk, await once(ctx, partial(_show, ctx)))


@command(
    "load", group=Group.CONVERSATION, permission=Permission.SETTINGS, where=Where.AGENT_ROOM, example="before Oslo"
)
async def load(ctx: CommandContext, saved: SaveName | None = None) -> ContextList | ContextLoaded | ContextRefused:
    """Let the agent go on with a saved copy, or with a conversation that ended in the room; without a name, list them.

    The lane gets a copy of a saved copy, so that this one stays as it is. A conversation that ended goes on itself. A
    number refers to the list that the caller was shown last. A number of an old list shows a new one.
    """
    talk = talk_of(ctx)
    if isinstance(talk, ContextRefused):
        return talk
    if not talk.upstream.traits.has_sessions:
        return talk.refused(ContextRefusal.ONE_MEMORY)
    contexts = ctx.services.contexts
    chosen = await once(ctx, partial(_choose, ctx, saved or ""))
    if "listed" in chosen:
        return _list(talk, chosen)
    if "refused" in chosen:
        return await _unknown(ctx, talk, saved or "")
    ref = None if "context" in chosen else await _copy_saved(ctx, talk, chosen["chosen"])

    async def act(connection: Connection) -> Effect:
        entry = await _entry(ctx, connection, chosen["chosen"])
        if entry is None:
            return {"refused": ContextRefusal.GONE}
        await contexts.present(connection, ctx.lane, ctx.session)
        loaded: Effect = {"chosen": entry.id, "text": entry.name, "messages": entry.messages, "ref": ref}
        if entry.name is None:
            await contexts.go_on(connection, ctx.lane, entry.id)
            return loaded | {"context": entry.id}
        kind = None if ref is None else talk.agent.kind
        begun = await contexts.begin(
            connection, ctx.lane, new_session(ctx), source=entry.id, upstream_ref=ref, upstream_kind=kind
        )
        return loaded | {"context": begun}

    effect = await then(ctx, "context", act)
    if "refused" in effect:
        return talk.refused(ContextRefusal(effect["refused"]))
    await rename_copy(talk, effect["ref"], effect["text"] or talk.agent.name)
    return ContextLoaded(talk.agent.name, effect["text"], effect["messages"])


@command("forget", group=Group.CONVERSATION, permission=Permission.JOIN, example="before Oslo")
async def forget(
    ctx: CommandContext, name: SaveName
) -> ContextForgotten | ContextRefused | WrongRoom | ErasureAsked | ErasureRefused:
    """Delete a copy that the caller has saved; a server that deletes no conversation puts its copy away.

    ``forget me`` asks the caller, in any room, to confirm the erasure of all own data.
    """
    if name.casefold() == ME:
        return await ask_to_erase(ctx)
    if not ctx.in_agent_room:
        return WrongRoom("forget")
    talk = talk_of(ctx)
    return talk if isinstance(talk, ContextRefused) else await _forget_copy(ctx, talk, name)


async def _forget_copy(ctx: CommandContext, talk: Talk, name: str) -> ContextForgotten | ContextRefused:
    contexts = ctx.services.contexts

    async def choose(connection: Connection) -> Effect:
        entry = _meant(name, await contexts.entries(connection, ctx.lane, ctx.sender))
        if entry is None:
            return {"refused": ContextRefusal.UNKNOWN}
        ref = entry.upstream_ref if entry.upstream_kind == talk.agent.kind else None
        return {"chosen": entry.id, "ref": ref, "text": entry.name}

    chosen = await once(ctx, choose)
    if "refused" in chosen:
        return await _unknown(ctx, talk, name)
    if "forgotten" not in chosen and chosen["ref"] is not None:
        # A failure leaves the copy in the list: its owner can repeat the command.
        if talk.upstream.can.deletion is not None:
            await talk.upstream.can.deletion(chosen["ref"])
        elif talk.upstream.can.archive is not None:
            await talk.upstream.can.archive(chosen["ref"], archived=True)

    async def act(connection: Connection) -> Effect:
        await contexts.forget(connection, chosen["chosen"], ctx.sender)
        return {**chosen, "forgotten": True}

    return ContextForgotten((await then(ctx, "forgotten", act))["text"])


def _never_saved(talk: Talk, name: str | None) -> ContextRefusal | None:
    """Return why no conversation of *talk* can be saved as *name*; None if some can."""
    if talk.upstream.traits.stateful and talk.upstream.can.conversations is None:
        return ContextRefusal.NO_COPIES if talk.upstream.traits.has_sessions else ContextRefusal.ONE_MEMORY
    return ContextRefusal.NUMBER if name is not None and name.isdecimal() else None


async def _copy_present(ctx: CommandContext, talk: Talk) -> str | None:
    """Copy the conversation of the lane on its server; return the copy, None if there is no conversation there."""
    conversations, model = talk.upstream.can.conversations, talk.agent.model
    current = None if conversations is None else await conversations.current(model, ctx.session)
    if conversations is None or current is None:
        return None
    return (await conversations.fork(model, current, marker_of(ctx))).ref


async def _copy_saved(ctx: CommandContext, talk: Talk, chosen: int) -> str | None:
    """Copy a saved copy on the server, and have the new conversation of the lane go on with it; return the new copy.

    None: the server has no copy, so the first question tells it the messages.
    """
    conversations = talk.upstream.can.conversations
    async with ctx.services.database.transaction() as connection:
        entry = await _entry(ctx, connection, chosen)
    if conversations is None or entry is None or entry.name is None or entry.upstream_ref is None:
        return None
    if entry.upstream_kind != talk.agent.kind:
        return None
    made = await conversations.fork(talk.agent.model, entry.upstream_ref, marker_of(ctx))
    await conversations.select(talk.agent.model, new_session(ctx), made.ref)
    return made.ref


async def _choose(ctx: CommandContext, saved: str, connection: Connection) -> Effect:
    """Return the conversation that *saved*, a name or a number, means; or show the list.

    Raises:
        ArgumentError: the list has no such number.
    """
    if saved and not saved.isdecimal():
        entry = _meant(saved, await ctx.services.contexts.entries(connection, ctx.lane, ctx.sender))
        return {"refused": ContextRefusal.UNKNOWN} if entry is None else {"chosen": entry.id}
    shown = await ctx.services.choices.shown(connection, ctx.sender, ChoiceKind.SAVES) if saved else None
    if shown is None:
        return await _show(ctx, connection, renewed=bool(saved))
    if not 1 <= int(saved) <= len(shown.items):
        raise ArgumentError(ArgumentProblem.NO_SUCH_NUMBER, _SAVED, saved, most=len(shown.items))
    return {"chosen": shown.items[int(saved) - 1]}


async def _show(ctx: CommandContext, connection: Connection, *, renewed: bool = False) -> Effect:
    """Return the list of the conversations that the caller can load, and let a number choose from it."""
    found = await ctx.services.contexts.entries(connection, ctx.lane, ctx.sender)
    listed = found[:_LISTED]
    if ctx.can(load.permission):
        await ctx.services.choices.show(
            connection,
            ctx.sender,
            ChoiceKind.SAVES,
            [each.id for each in listed],
            room_id=ctx.room_id,
            thread=ctx.thread,
            turn=ctx.turn,
            command="load",
        )
    entries = [{"messages": each.messages, "at": each.at.isoformat()} for each in listed]
    names = [each.name for each in listed]
    return {"listed": entries, "text": names, "more": len(found) - len(listed), "renewed": renewed}


async def _entries(ctx: CommandContext) -> Sequence[ContextEntry]:
    async with ctx.services.database.transaction() as connection:
        return await ctx.services.contexts.entries(connection, ctx.lane, ctx.sender)


async def _entry(ctx: CommandContext, connection: Connection, chosen: int) -> ContextEntry | None:
    return await ctx.services.contexts.entry(connection, ctx.lane, ctx.sender, chosen)


def _meant(name: str, entries: Sequence[ContextEntry]) -> ContextEntry | None:
    return next((each for each in entries if each.name and each.name.lower() == name.lower()), None)


def _list(talk: Talk, effect: Effect) -> ContextList:
    named = zip(effect["text"], effect["listed"], strict=True)
    options = (
        ContextOption(number, name, each["messages"], datetime.fromisoformat(each["at"]))
        for number, (name, each) in enumerate(named, 1)
    )
    return ContextList(talk.agent.name, tuple(options), effect["more"], effect["renewed"])


async def _unknown(ctx: CommandContext, talk: Talk, name: str) -> ContextRefused:
    return talk.unknown(name, [each.name for each in await _entries(ctx) if each.name])


def _free_name(names: set[str]) -> str:
    """Return a name that tells the present time and is not one of *names*."""
    now = f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"
    numbered = (f"{now} ({number})" for number in range(2, _MOST + 2))
    return next(each for each in (now, *numbered) if each not in names)
