"""Commands about chats: further conversations with agents, each in a private room."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import AgentAndTitle, ArgumentError, ChatTitle, PageNumber, the_agent
from agent_bridge.commands.arguments import words_of
from agent_bridge.commands.effects import once
from agent_bridge.commands.pages import number_of_pages
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.commands.selection import in_order, listed, numbered, present
from agent_bridge.core.agents import AgentState
from agent_bridge.core.chats import ChatStatus, ListedChat, NewChat
from agent_bridge.core.names import folded, one_line
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.chats import (
    ChatEntry,
    ChatGone,
    ChatList,
    ChatMade,
    ChatName,
    ChatRenamed,
    IsDirectChat,
    NotYourChat,
    PairEntry,
    TooManyChats,
)
from agent_bridge.core.results.commands import Argument, ArgumentProblem, Group, NotPermitted, RoomAddress
from agent_bridge.core.results.selection import AgentChoices
from agent_bridge.core.rooms import ChoiceKind, KindName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.choices import ShownList
    from agent_bridge.store.postgres.database import Connection

#: Characters of a title.
_LONGEST = 200
#: Chats of one page.
_PAGE = 20
_FIRST = PageNumber(1)
#: The argument of the command.
_CHAT = Argument("chat", required=False)
#: A number of the list of chats.
_POSITION = re.compile(r"#?(?P<number>[0-9]{1,6})")
#: A number of the list of agents before a title.
_NUMBERED = re.compile(r"#(?P<number>[0-9]{1,6})(?:\s+(?P<title>.*))?", re.DOTALL)


@command("new", group=Group.CHATS, permission=Permission.JOIN, example="@Ada Trip to Oslo")
async def new(
    ctx: CommandContext, chat: AgentAndTitle | None = None
) -> ChatMade | ChatGone | TooManyChats | AgentChoices:
    """Make a private room with the selected agent, or with the one that *chat* begins with; the rest is the title.

    Without an agent, the caller gets the list, and the choice makes the chat. Running twice makes one chat: its row
    belongs to the turn, and its room has an alias that derives from the turn.
    """
    services = ctx.services
    known = {each.agent.id: each for each in await services.agents.all()}
    agent = (await services.selections.selected([ctx.sender])).get(ctx.sender)
    selected = None if agent is None else known.get(agent)
    effect = await once(ctx, partial(_begin, ctx, chat or "", known, selected))
    if "listed" in effect:
        return await listed(ctx, effect, known)
    if "most" in effect:
        return TooManyChats(effect["most"])
    found = await services.chats.find(effect["chat"])
    if found is None:
        return ChatGone(effect["number"])
    room_id = await services.chat_maker.make(found)
    return ChatMade(
        number=effect["number"],
        title=effect["title"],
        agent=found.agent.name,
        room=RoomAddress(room_id, services.namespace.domain),
    )


@command("chats", group=Group.CHATS, permission=Permission.READ, example="archived")
async def chats(
    ctx: CommandContext, page: PageNumber = _FIRST, *, archived: bool = False, all_: bool = False
) -> ChatList | NotPermitted:
    """List the chats of the caller, those used last first; *all_*: of all people, without titles.

    An administrator may know that a chat exists. A title may be made of the words of its person. Running twice shows
    the list as it is then, with the numbers that count from then on.
    """
    if all_ and not ctx.can(Permission.OPERATE):
        return NotPermitted("chats", lowest_role(Permission.OPERATE))
    store, status = ctx.services.chats, ChatStatus.ARCHIVED if archived else ChatStatus.ACTIVE
    person = None if all_ else ctx.sender
    number_of = await store.number_of(person, status)
    pages = number_of_pages(page, number_of, _PAGE)
    start = (page - 1) * _PAGE
    if all_:
        found = await store.of_person(None, status, skip=start, limit=_PAGE)
    else:
        listed_chats = await store.of_person(person, status)
        if listed_chats:
            await _show(ctx, [each.id for each in listed_chats])
        found = listed_chats[start : start + _PAGE]
    pairs_number, pairs = await ctx.services.pairs.listed(_PAGE) if all_ and page == 1 and not archived else (0, [])
    return ChatList(
        tuple(_entry(ctx, each, start + at, is_of_all=all_) for at, each in enumerate(found, 1)),
        page=page,
        pages=pages,
        is_of_all=all_,
        is_archive=archived,
        archived=0 if archived or all_ else await store.number_of(person, ChatStatus.ARCHIVED),
        pairs=tuple(PairEntry(each.low, each.high, _address(ctx, each.room_id), each.age) for each in pairs),
        number_of_pairs=pairs_number,
    )


async def _show(ctx: CommandContext, items: Sequence[int]) -> None:
    """Record the list of chats that the caller is shown."""
    async with ctx.services.database.transaction() as connection:
        await ctx.services.choices.show(
            connection, ctx.sender, ChoiceKind.CHATS, items, room_id=ctx.room_id, thread=ctx.thread, turn=ctx.turn
        )


def _entry(ctx: CommandContext, chat: ListedChat, position: int, *, is_of_all: bool) -> ChatEntry:
    return ChatEntry(
        position=position,
        name=ChatName(chat.number, None if is_of_all else chat.title),
        agent=chat.agent,
        person=chat.person if is_of_all else None,
        room=_address(ctx, chat.room_id),
        age=chat.age,
    )


def _address(ctx: CommandContext, room_id: str) -> RoomAddress:
    return RoomAddress(room_id, ctx.services.namespace.domain)


@command("rename", group=Group.CHATS, permission=Permission.JOIN, example="Trip to Oslo")
async def rename(ctx: CommandContext, title: ChatTitle) -> ChatRenamed | NotYourChat | IsDirectChat:
    """Give the chat in whose room the command is given another title. Running twice gives it the same title."""
    chat = await ctx.services.chats.in_room(ctx.room_id)
    if chat is None or chat.person != ctx.sender:
        return NotYourChat("rename")
    if chat.kind is KindName.DM:
        return IsDirectChat(chat.agent.name)
    argument = Argument("title", required=True)
    wanted = title_of(title, argument)
    if wanted is None:
        raise ArgumentError(ArgumentProblem.MISSING, argument)
    ghost = ctx.services.namespace.user_id(chat.agent.ghost)
    await ctx.services.homeserver.set_state(ctx.room_id, "m.room.name", {"name": wanted}, as_user=ghost)
    await ctx.services.chats.renamed(chat.id, wanted)
    return ChatRenamed(wanted)


async def _begin(
    ctx: CommandContext,
    text: str,
    known: Mapping[int, AgentRoom],
    selected: AgentRoom | None,
    connection: Connection,
) -> Effect:
    """Write the chat, or show the list of agents to choose from.

    Raises:
        ArgumentError: *text* begins with an agent that cannot be chosen, or the title is too long.
        HomeserverUnavailable: the numbers of chats are not compared with the homeserver yet.
    """
    services = ctx.services
    shown = await services.choices.shown(connection, ctx.sender, ChoiceKind.AGENTS)
    if shown is None and (numbered_title := _NUMBERED.fullmatch(text)):
        return await _offer(ctx, connection, known, title_of(numbered_title["title"] or ""), renewed=True)
    chosen, title = await _parsed(ctx, text, known, shown)
    if chosen is None and selected is not None and selected.agent.state is AgentState.ACTIVE:
        chosen = selected
    if chosen is None:
        return await _offer(ctx, connection, known, title)
    await services.chat_maker.check_numbers(connection)
    if most := await too_many(ctx, connection):
        return most
    if selected is None:
        await services.selections.select(connection, ctx.sender, chosen.agent.id)
    wanted = NewChat(
        person=ctx.sender,
        agent=chosen.agent.id,
        request_key=ctx.key,
        name=services.chat_maker.name_of(chosen.agent, title),
        is_titled=title is not None,
    )
    chat, number = await services.chats.add(connection, wanted)
    return {"chat": chat, "number": number, "title": title}


async def too_many(ctx: CommandContext, connection: Connection) -> Effect:
    """Return the largest number of chats if the caller has so many."""
    most = ctx.services.chat_maker.most
    return {"most": most} if await ctx.services.chats.count(connection, ctx.sender) >= most else {}


async def _offer(
    ctx: CommandContext,
    connection: Connection,
    known: Mapping[int, AgentRoom],
    title: str | None,
    *,
    renewed: bool = False,
) -> Effect:
    """Show the list of agents; a number alone makes the chat with *title*. *renewed*: the caller gave a number."""
    items = in_order(known.values())
    await ctx.services.choices.show(
        connection,
        ctx.sender,
        ChoiceKind.AGENTS,
        items,
        room_id=ctx.room_id,
        thread=ctx.thread,
        turn=ctx.turn,
        command="new",
        title=title,
    )
    return {"listed": items, "page": 1, "renewed": renewed, "binds": False, "for": "new"}


async def _parsed(
    ctx: CommandContext, text: str, known: Mapping[int, AgentRoom], shown: ShownList | None
) -> tuple[AgentRoom | None, str | None]:
    """Return the agent that *text* begins with, None if with none, and the title, None if there is none."""
    number = _NUMBERED.fullmatch(text)
    if number is not None and shown is not None:
        # The list of an earlier `new` was shown for its title.
        return numbered(int(number["number"]), shown.items, known), title_of(number["title"] or "") or shown.title
    if text.startswith("@") and text != "@":
        return await _named(ctx, text.removeprefix("@"), known)
    quoted = words_of(text)
    return None, title_of(quoted[0] if len(quoted) == 1 else text)


async def _named(ctx: CommandContext, text: str, known: Mapping[int, AgentRoom]) -> tuple[AgentRoom, str | None]:
    """Return the agent whose name or user id *text* begins with, and the title behind it.

    The most words that are exactly a name are the name; else the first word is one, roughly.
    """
    words = words_of(text)
    visible = [each for each in known.values() if each.agent.state is not AgentState.HELD]
    names = {folded(each.agent.name) for each in visible}
    length = next((count for count in range(len(words), 0, -1) if folded(" ".join(words[:count])) in names), 1)
    name = " ".join(words[:length])
    chosen = await the_agent(_CHAT, name if ":" not in name else f"@{name}", visible, ctx.services.namespace.domain)
    return present(chosen), title_of(" ".join(words[length:]))


def title_of(text: str, argument: Argument = _CHAT) -> str | None:
    """Return *text*, which is or ends *argument*, as a title in one line; None if nothing of it is visible.

    Raises:
        ArgumentError: it is too long.
    """
    title = one_line(text)
    if len(title) > _LONGEST:
        raise ArgumentError(ArgumentProblem.TOO_LONG, argument, most=_LONGEST)
    return title or None
