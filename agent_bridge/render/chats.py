"""Results of the commands about chats as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from agent_bridge.render.content import escape, link

if TYPE_CHECKING:
    from agent_bridge.core.results.chats import ChatMade
    from agent_bridge.core.results.commands import RoomAddress
    from agent_bridge.i18n.catalogue import Texts


def render_made(result: ChatMade, texts: Texts) -> str:
    """Return that the chat exists, with a link to its room."""
    chats = texts.commands.chats
    there = chat_link(result.room, chats.open_it)
    if result.title is None:
        return chats.made.format(number=result.number, agent=escape(result.agent), link=there)
    return chats.made_titled.format(title=escape(result.title), agent=escape(result.agent), link=there)


def chat_link(room: RoomAddress, text: str) -> str:
    """Return *text*, which is no Markdown, as a link to *room*."""
    room_id, via = quote(room.room_id, safe="!:"), quote(room.via, safe="")
    return link(f"https://matrix.to/#/{room_id}?via={via}", text)
