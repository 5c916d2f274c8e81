"""Deletes the rooms of chats: by the admin API of the homeserver, or by leaving them where that is not permitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.entry import leave_for_good
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.core.rooms import KindName
from agent_bridge.matrix.admin import Deletion, delete_room, deletion
from agent_bridge.render.content import escape, message

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
            if chat.delete_ref is None or await deletion(self._homeserver, chat.delete_ref) is Deletion.FAILED:
                ref = await delete_room(self._homeserver, chat.room_id)
                if ref is not None:
                    await self._chats.deletion_requested(chat.id, ref)
                    return False
                await self._leave(chat, chat.room_id)
            elif await deletion(self._homeserver, chat.delete_ref) is Deletion.RUNS:
                return False
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
        """Have the ghost leave the room with the bot; *says*: it tells the people that only they can leave it.

        Invitations that people have not accepted are withdrawn: a room without members cannot be entered.
        """
        ghost, key = self._namespace.user_id(chat.agent.ghost), f"deleted.{chat.id}"
        text = self._texts.commands.chats.left.format(agent=escape(chat.agent.name))
        try:
            content = message(text, mark=mark(key, 0), notice=True)
            if says:
                await self._homeserver.send(room_id, content, txn_id=f"ab.{key}", as_user=ghost)
        except HomeserverRefused as error:
            _log.info("a ghost leaves without a word", room=room_id, error=str(error))
        state = await self._homeserver.room_state(room_id, ghost)
        members = frozenset() if state is None else state.members("join", "invite")
        invited = frozenset() if state is None else state.members("invite")
        host = ghost if chat.kind is KindName.DM else self._namespace.bot
        for person in sorted(user for user in invited if not self._namespace.is_ours(user)):
            await self._withdraw(room_id, person, host)
        # A person may have invited other agents.
        guests = {user for user in members if self._namespace.is_ours(user)} - {self._namespace.bot, ghost}
        await leave_for_good(self._homeserver, room_id, [self._namespace.bot, *sorted(guests), ghost])

    async def _withdraw(self, room_id: str, person: str, host: str) -> None:
        """Withdraw the invitation of *person* as *host*, if the room permits it."""
        content = {"membership": "leave"}
        try:
            await self._homeserver.set_state(room_id, "m.room.member", content, key=person, as_user=host)
        except HomeserverRefused as error:
            _log.info("an invitation is not withdrawn", room=room_id, user=person, error=str(error))

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
