"""The conversations that one upstream keeps for the lanes of the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.upstreams import StoredConversation
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("upstream_conversations")


class UpstreamConversations:
    """The rows of the table ``upstream_conversation`` that belong to *upstream*."""

    def __init__(self, database: Database, upstream: str) -> None:
        self._database = database
        self._upstream = upstream

    async def get(self, model: str, session: str) -> StoredConversation | None:
        """See :class:`agent_bridge.upstream.conversation_store.ConversationStore`."""
        parameters = {"upstream": self._upstream, "model": model, "session": session}
        row = await self._database.row(_SQL["get"], parameters)
        return None if row is None else StoredConversation(row["ref"], row["marker"], row["made"])

    async def put(self, model: str, session: str, conversation: StoredConversation) -> None:
        """See :class:`agent_bridge.upstream.conversation_store.ConversationStore`."""
        parameters = {
            "upstream": self._upstream,
            "model": model,
            "session": session,
            "ref": conversation.ref,
            "marker": conversation.marker,
            "made": conversation.is_made,
        }
        await self._database.execute(_SQL["put"], parameters)
