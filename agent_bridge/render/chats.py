"""Results of the commands about chats as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from agent_bridge.render.content import escape, link

if TYPE_CHECKING:
    from agent_bridge.core.results.chats import ChatList, ChatMade
    from agent_bridge.core.results.commands import RoomAddress
    from agent_bridge.i18n.catalogue import Texts


def render_made(result: ChatMade, texts: Texts) -> str:
    """Return that the chat exists, with a link to its room."""
    chats = texts.commands.chats
    there = chat_link(result.room, chats.open_it)
    if result.title is None:
        return chats.made.format(number=result.number, agent=escape(result.agent), link=there)
    return chats.made_titled.format(title=escape(result.title), agent=escape(result.agent), link=there)


def render_chats(result: ChatList, texts: Texts, prefix: str) -> str:
    """Return the list, and how to see its other pages; *prefix* starts a command in a room."""
    chats = texts.commands.chats
    if not result.chats:
        return chats.none_of_all if result.is_of_all else chats.none.format(prefix=prefix)
    lines = [
        (chats.listed if each.person is None else chats.listed_of).format(
            chat=chat_link(each.room, each.title or chats.numbered.format(number=each.number)),
            agent=escape(each.agent),
            person=escape(each.person or ""),
            age=texts.duration(each.age),
        )
        for each in result.chats
    ]
    blocks = [chats.head_of_all if result.is_of_all else chats.head, "\n".join(lines)]
    if result.pages > 1:
        following = f"{result.page % result.pages + 1}{' all' if result.is_of_all else ''}"
        blocks.append(chats.page.format(page=result.page, pages=result.pages, prefix=prefix, following=following))
    return "\n\n".join(blocks)


def chat_link(room: RoomAddress, text: str) -> str:
    """Return *text*, which is no Markdown, as a link to *room*."""
    room_id, via = quote(room.room_id, safe="!:"), quote(room.via, safe="")
    return link(f"https://matrix.to/#/{room_id}?via={via}", text)
