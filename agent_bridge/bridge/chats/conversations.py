"""The conversations of chats on upstreams: archived with their chat, and deleted with it where the server can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.chats import ChatStatus
from agent_bridge.core.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.chats import ChatRoom
    from agent_bridge.store.chats import Chats
    from agent_bridge.upstream.base import Upstream

_log = structlog.stdlib.get_logger(__name__)


class ChatConversations:
    """Has the servers of *upstreams*, by name, put the conversations of chats away. Saved copies and forks stay."""

    def __init__(self, chats: Chats, upstreams: Mapping[str, Upstream]) -> None:
        self._chats = chats
        self._upstreams = upstreams

    async def put_away(self, chat: ChatRoom) -> None:
        """Archive the conversations of an archived chat, and take those of an active one out again; once each.

        Raises:
            UpstreamError: a repeat may succeed.
            StoreError: a repeat continues.
        """
        is_archived = chat.status is ChatStatus.ARCHIVED
        if chat.put_away != is_archived:
            await self._archive(chat, archived=is_archived)
            await self._chats.put_away(chat.id, archived=is_archived)

    async def discard(self, chat: ChatRoom, *, deletes: bool) -> None:
        """Have the server delete the conversations of a chat that ends (*deletes*), or archive them if it cannot.

        Raises:
            UpstreamError: a repeat may succeed.
            StoreError: a repeat continues.
        """
        upstream = self._upstreams.get(chat.agent.upstream)
        if upstream is None or not deletes or upstream.can.deletion is None:
            await self._archive(chat, archived=True)
            return
        for model, ref in await self._chats.conversations(chat.id):
            try:
                await upstream.can.deletion(ref)
            except UpstreamError as error:
                self._judge(error, chat)
                continue
            await self._chats.conversation_deleted(chat.agent.upstream, model, ref)

    async def _archive(self, chat: ChatRoom, *, archived: bool) -> None:
        upstream = self._upstreams.get(chat.agent.upstream)
        if upstream is None or upstream.can.archive is None:
            return
        for _, ref in await self._chats.conversations(chat.id):
            try:
                await upstream.can.archive(ref, archived=archived)
            except UpstreamError as error:
                self._judge(error, chat)

    def _judge(self, error: UpstreamError, chat: ChatRoom) -> None:
        """Raise *error* if a repeat may succeed. Otherwise the conversation stays as it is on the server."""
        if error.retryable:
            raise error
        _log.warning("the server keeps the conversation of a chat", agent=chat.agent.name, error=str(error))
