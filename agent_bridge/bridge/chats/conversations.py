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

    async def discard(self, chat: ChatRoom, *, deletes: bool, gives_up: bool = False) -> None:
        """Forget the conversations of a chat that ends; the server deletes (*deletes*) or archives them where it can.

        *gives_up*: a server that does not respond keeps them.

        Raises:
            UpstreamError: a repeat may succeed.
            StoreError: a repeat continues.
        """
        upstream = self._upstreams.get(chat.agent.upstream)
        for model, ref in await self._chats.conversations(chat.id):
            try:
                if upstream is not None and upstream.can.deletion is not None and deletes:
                    await upstream.can.deletion(ref)
                elif upstream is not None and upstream.can.archive is not None:
                    await upstream.can.archive(ref, archived=True)
            except UpstreamError as error:
                self._judge(error, chat, gives_up=gives_up)
            await self._chats.forget_conversation(chat.agent.upstream, model, ref)

    async def _archive(self, chat: ChatRoom, *, archived: bool) -> None:
        upstream = self._upstreams.get(chat.agent.upstream)
        if upstream is None or upstream.can.archive is None:
            return
        for _, ref in await self._chats.conversations(chat.id):
            try:
                await upstream.can.archive(ref, archived=archived)
            except UpstreamError as error:
                self._judge(error, chat)

    def _judge(self, error: UpstreamError, chat: ChatRoom, *, gives_up: bool = False) -> None:
        """Raise *error* if a repeat may succeed. Otherwise the conversation stays as it is on the server."""
        if error.retryable and not gives_up:
            raise error
        _log.warning("the server keeps the conversation of a chat", agent=chat.agent.name, error=str(error))
