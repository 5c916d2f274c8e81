"""Deletes the rooms of chats: by the admin API of the homeserver, or by leaving them where that is not permitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.removal import Removal, RoomRemoval
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.rooms import KindName
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from agent_bridge.bridge.chats.conversations import ChatConversations
    from agent_bridge.core.chats import ChatRoom
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.chats import Chats

_log = structlog.stdlib.get_logger(__name__)


class ChatDeletion:
    """Removes the room of a chat, and then what the database has of it."""

    def __init__(self, homeserver: Homeserver, chats: Chats, conversations: ChatConversations, texts: Texts) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._chats = chats
        self._conversations = conversations
        self._texts = texts
        self._removal = RoomRemoval(homeserver)

    async def carry_out(self, chat: ChatRoom, *, gives_up: bool = False) -> bool:
        """Delete *chat*; tell whether that is done.

        If it is not, call this again in a moment: the homeserver is at work, or a command in the room is not answered
        yet. Each step can be repeated. *gives_up*: an agent's server that does not respond keeps the conversation.

        Raises:
            UpstreamError, HomeserverUnavailable, StoreError: a repeat continues.
        """
        if chat.room_id is not None:
            if await self._chats.has_open_command(chat.room_id):
                # It may be the one that confirms the deletion.
                return False
            await self._conversations.discard(chat, deletes=True, gives_up=gives_up)
            state, ref = await self._removal.delete(chat.room_id, chat.delete_ref)
            if ref is not None and ref != chat.delete_ref:
                await self._chats.deletion_requested(chat.id, ref)
            if state is Removal.RUNS:
                return False
            if state is Removal.REFUSED:
                await self._leave(chat, chat.room_id)
            await self.remove_alias(chat)
        await self._chats.forget(chat.id, why=self._texts.room_lost)
        _log.info("a chat is deleted", room=chat.room_id, number=chat.number)
        return True

    async def abandon(self, chat: ChatRoom, room_id: str, *, is_empty: bool, gives_up: bool = False) -> None:
        """Leave the room of *chat*, which its person has left, and forget it. Each step can be repeated.

        *is_empty*: no other person is there. *gives_up*: as in :meth:`carry_out`.

        Raises:
            UpstreamError, HomeserverUnavailable, StoreError: a repeat continues.
        """
        await self._conversations.discard(chat, deletes=False, gives_up=gives_up)
        # A repeat after both have left finds no room any more.
        await self.remove_alias(chat)
        await self._leave(chat, room_id, says=not is_empty)
        await self._chats.forget(chat.id, why=self._texts.room_lost)
        _log.info("a chat ends, for its person has left it", room=room_id, number=chat.number)

    async def _leave(self, chat: ChatRoom, room_id: str, *, says: bool = True) -> None:
        """Have the users of the bridge leave the room; *says*: the ghost asks the people to leave it too."""
        ghost = self._namespace.user_id(chat.agent.ghost)
        text = self._texts.commands.chats.left.format(agent=escape(chat.agent.name))
        host = ghost if chat.kind is KindName.DM else self._namespace.bot
        await self._removal.leave(room_id, ghost, host, says=(f"deleted.{chat.id}", text) if says else None)

    async def remove_alias(self, chat: ChatRoom) -> None:
        """Remove the alias by which the bridge finds the room of *chat* that it made; a repeat changes nothing.

        Raises:
            HomeserverUnavailable: a repeat continues.
        """
        if chat.request_key is None:
            return
        is_direct = chat.kind is KindName.DM
        name = self._namespace.direct_alias_localpart if is_direct else self._namespace.chat_alias_localpart
        try:
            await self._homeserver.remove_alias(self._namespace.alias(name(chat.request_key)))
        except HomeserverRefused:
            # The homeserver removed it with the room.
            return
