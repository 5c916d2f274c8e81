"""Commands about triggers, by which other programs wake agents."""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import PageNumber, TriggerWords
from agent_bridge.commands.arguments import words_of
from agent_bridge.commands.effects import once, then
from agent_bridge.commands.pages import number_of_pages
from agent_bridge.commands.private_chats import private_chat, told_since
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.commands.waking import WakingPlace, waking_place
from agent_bridge.core.names import folded, one_line
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import Argument, Group, NotPermitted
from agent_bridge.core.results.triggers import (
    TriggerEntry,
    TriggerList,
    TriggerMade,
    TriggerNotMade,
    TriggerProblem,
    TriggerRevoked,
)
from agent_bridge.core.triggers import MOST_TRIGGERS, TriggerKind
from agent_bridge.store.triggers import NewTrigger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.triggers import Trigger
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.triggers import TriggerSecret

#: Characters of a name.
_LONGEST = 80
#: Triggers of a page: as many as a person may have.
_PAGE = MOST_TRIGGERS
_FIRST = PageNumber(1)
#: The argument of the command.
_NAMED = Argument("trigger", required=False)


class TriggerAction(StrEnum):
    """What is done to a trigger."""

    NEW = "new"
    REVOKE = "revoke"


@command("trigger", group=Group.ROOM, permission=Permission.JOIN, example="new @Ada nightly build")
async def trigger(
    ctx: CommandContext, action: TriggerAction, trigger: TriggerWords | None = None, *, signed: bool = False
) -> TriggerMade | TriggerRevoked | TriggerNotMade | NotPermitted:
    """Make a trigger that wakes an agent of this room, or, in a chat with the bot, an agent in its home; or revoke one.

    The caller may change the settings of the room, and is told the secret in the chat with the bot. A caller revokes
    the own triggers, an admin all of them. Running twice makes one trigger, and tells its secret once.
    """
    words = trigger or ""
    if action is TriggerAction.REVOKE:
        return await _revoke(ctx, words)
    if not ctx.can(Permission.SETTINGS):
        return NotPermitted("trigger", lowest_role(Permission.SETTINGS))
    named, name = _split(words)
    place = await waking_place(ctx, named, _NAMED)
    if not isinstance(place, WakingPlace):
        return TriggerNotMade(TriggerProblem(place[0].value), place[1])
    if name.lstrip("#").isdecimal():
        return TriggerNotMade(TriggerProblem.BAD_NAME, name)
    return await _make(ctx, place, name, TriggerKind.SIGNED if signed else TriggerKind.CALLBACK)


@command("triggers", group=Group.ROOM, permission=Permission.JOIN, example="all")
async def triggers(ctx: CommandContext, page: PageNumber = _FIRST, *, all_: bool = False) -> TriggerList | NotPermitted:
    """List the triggers of the caller, or of all people, without their secrets. Only reads."""
    if all_ and not ctx.can(Permission.OPERATE):
        return NotPermitted("triggers", lowest_role(Permission.OPERATE))
    found = await ctx.services.triggers.owned(None if all_ else ctx.sender)
    pages = number_of_pages(page, len(found), _PAGE)
    shown = found[(page - 1) * _PAGE : page * _PAGE]
    return TriggerList(tuple(_entry(each) for each in shown), page, pages, is_of_all=all_)


def _entry(found: Trigger) -> TriggerEntry:
    return TriggerEntry(
        number=found.id,
        name=found.name,
        agent=found.agent_name,
        room_id=found.room_id,
        kind=found.kind,
        owner=found.owner,
        created_at=found.created_at,
        last_used_at=found.last_used_at,
        expires_at=found.expires_at,
    )


def _split(text: str) -> tuple[str, str]:
    """Return the agent that *text* begins with, after an ``@``, and the name behind it; each may be empty."""
    words = words_of(text)
    if words and words[0].startswith("@"):
        rest = one_line(" ".join(words[1:]))[:_LONGEST]
        return words[0], rest
    return "", one_line(" ".join(words))[:_LONGEST]


async def _make(ctx: CommandContext, place: WakingPlace, name: str, kind: TriggerKind) -> TriggerMade | TriggerNotMade:
    services, agent = ctx.services, place.agent
    chat = await private_chat(ctx, services.trigger_secrets)

    async def act(connection: Connection) -> Effect:
        if chat is None:
            return {"refused": TriggerProblem.NO_PRIVATE_CHAT}
        owned = await services.triggers.owned(ctx.sender, connection)
        taken = {folded(each.name) for each in owned}
        if len(owned) >= MOST_TRIGGERS:
            return {"refused": TriggerProblem.TOO_MANY}
        if name and folded(name) in taken:
            return {"refused": TriggerProblem.NAME_TAKEN}
        public_id = secrets.token_urlsafe(16)
        is_callback = kind is TriggerKind.CALLBACK
        new = NewTrigger(
            public_id=public_id,
            kind=kind,
            name=name or _free_name(agent.name, taken),
            owner=ctx.sender,
            agent=agent.id,
            room_id=place.room_id,
            token_hash=services.trigger_secrets.token_hash(public_id) if is_callback else None,
            signing_key=None if is_callback else secrets.token_urlsafe(32),
            seconds=services.trigger_secrets.expires_after if is_callback else None,
        )
        number = await services.triggers.add(connection, new)
        if number is None:
            return {"refused": TriggerProblem.NOT_THERE}
        return {"trigger": number, "name": new.name, "chat": chat}

    effect = await once(ctx, act)
    if "refused" in effect:
        return TriggerNotMade(TriggerProblem(effect["refused"]), name or agent.name, MOST_TRIGGERS)
    number, made = effect["trigger"], effect["name"]
    if (secret := await services.triggers.secret(number)) is None:
        return TriggerNotMade(TriggerProblem.UNKNOWN, made)
    if await _tell(ctx, effect["chat"], made, secret):
        return TriggerMade(number, made, agent.name, kind)

    async def revoke(connection: Connection) -> Effect:
        await services.triggers.revoke(connection, number)
        return {"refused": TriggerProblem.NO_PRIVATE_CHAT}

    await then(ctx, "refused", revoke)
    return TriggerNotMade(TriggerProblem.NO_PRIVATE_CHAT)


async def _tell(ctx: CommandContext, chat: str, name: str, secret: TriggerSecret) -> bool:
    """Tell the caller the secret in *chat*; False: others are there now."""
    return await ctx.services.trigger_secrets.tell(
        ctx.sender, chat, ctx.key, name, secret, again=ctx.was_interrupted, since=told_since(ctx, chat)
    )


def _free_name(name: str, taken: Iterable[str]) -> str:
    """Return *name*, with a number behind it if it is one of *taken*."""
    name = one_line(name)[: _LONGEST - 4] or "trigger"
    others = (f"{name} {number}" for number in range(2, MOST_TRIGGERS + 2))
    return next(each for each in (name, *others) if folded(each) not in taken and not each.isdecimal())


async def _revoke(ctx: CommandContext, words: str) -> TriggerRevoked | TriggerNotMade:
    store = ctx.services.triggers
    named = one_line(" ".join(words_of(words)))
    if not named:
        return TriggerNotMade(TriggerProblem.WHICH_TRIGGER)
    is_number = named.lstrip("#").isdecimal()

    async def act(connection: Connection) -> Effect:
        owned = await store.owned(None if is_number and ctx.can(Permission.OPERATE) else ctx.sender)
        wanted = [
            each
            for each in owned
            if (str(each.id) == named.lstrip("#") if is_number else folded(each.name) == folded(named))
        ]
        if not wanted:
            return {}
        await store.revoke(connection, wanted[0].id)
        return {"trigger": wanted[0].id, "name": wanted[0].name}

    effect = await once(ctx, act)
    if not effect:
        return TriggerNotMade(TriggerProblem.UNKNOWN, named)
    return TriggerRevoked(effect["trigger"], effect["name"])
