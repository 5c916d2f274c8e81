"""Results of the commands about chats as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from agent_bridge.render.content import escape, link

if TYPE_CHECKING:
    from agent_bridge.core.results.chats import ChatEntry, ChatList, ChatMade, ChatName, DeletionAsked, ForkRefused
    from agent_bridge.core.results.commands import RoomAddress
    from agent_bridge.i18n.catalogue import Texts


def render_made(result: ChatMade, texts: Texts) -> str:
    """Return that the chat exists, with a link to its room."""
    chats = texts.commands.chats
    there = chat_link(result.room, chats.open_it)
    if result.title is None:
        made = chats.made.format(number=result.number, agent=escape(result.agent), link=there)
    else:
        made = chats.made_titled.format(title=escape(result.title), agent=escape(result.agent), link=there)
    if not result.messages:
        return made
    return f"{made}. {chats.begins_with.format(messages=texts.count(result.messages, texts.message))}"


def render_fork_refused(result: ForkRefused, texts: Texts, prefix: str) -> str:
    """Return why no chat was made."""
    text = texts.commands.chats.fork_refused[result.reason]
    return text.format(agent=escape(result.agent), prefix=prefix)


def render_chats(result: ChatList, texts: Texts, prefix: str) -> str:
    """Return the list, and how to see its other pages; *prefix* starts a command in a room."""
    chats = texts.commands.chats
    words = [*(["archived"] if result.is_archive else []), *(["all"] if result.is_of_all else [])]
    blocks = [_head(result, texts).format(prefix=prefix)]
    if result.chats:
        blocks.append("\n".join(_entry(each, texts) for each in result.chats))
    if result.pairs:
        lines = [
            chats.pair.format(room=chat_link(each.room, f"{each.low} · {each.high}"), age=texts.duration(each.age))
            for each in result.pairs
        ]
        blocks.append("\n".join([chats.pairs.format(number=result.number_of_pairs), "", *lines]))
    if result.pages > 1:
        following = " ".join([str(result.page % result.pages + 1), *words])
        blocks.append(chats.page.format(page=result.page, pages=result.pages, prefix=prefix, following=following))
    if result.archived:
        blocks.append(chats.more_archived.format(chats=texts.count(result.archived, texts.chat), prefix=prefix))
    return "\n\n".join(blocks)


def _head(result: ChatList, texts: Texts) -> str:
    chats = texts.commands.chats
    if result.is_of_all:
        return chats.head_of_all if result.chats else chats.none_of_all
    if result.is_archive:
        return chats.head_archived if result.chats else chats.none_archived
    return chats.head if result.chats else chats.none


def _entry(entry: ChatEntry, texts: Texts) -> str:
    chats = texts.commands.chats
    return (chats.listed if entry.person is None else chats.listed_of).format(
        position=entry.position,
        chat=chat_link(entry.room, _plain(entry.name, texts)),
        agent=escape(entry.agent),
        person=escape(entry.person or ""),
        age=texts.duration(entry.age),
    )


def render_asked(result: DeletionAsked, texts: Texts, prefix: str) -> str:
    """Return the question whether a chat is to be deleted."""
    chat = chat_link(result.room, _plain(result.name, texts))
    return texts.commands.chats.delete_asked.format(chat=chat, prefix=prefix)


def chat_name(name: ChatName, texts: Texts) -> str:
    """Return the name of a chat as Markdown."""
    return f"*{escape(_plain(name, texts))}*"


def _plain(name: ChatName, texts: Texts) -> str:
    if name.direct_with is not None:
        return texts.commands.chats.direct.format(agent=name.direct_with)
    return name.title or texts.commands.chats.numbered.format(number=name.number)


def chat_link(room: RoomAddress, text: str) -> str:
    """Return *text*, which is no Markdown, as a link to *room*."""
    room_id, via = quote(room.room_id, safe="!:"), quote(room.via, safe="")
    return link(f"https://matrix.to/#/{room_id}?via={via}", text)
