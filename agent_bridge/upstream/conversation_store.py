"""The durable link between a lane of the bridge and a conversation that its upstream keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from agent_bridge.core.upstreams import StoredConversation


class ConversationStore(Protocol):
    """The conversations of one upstream. One lane is used by one process at a time."""

    async def get(self, model: str, session: str) -> StoredConversation | None:
        """Return the conversation of the lane *session* with the agent *model*.

        Raises:
            StoreError: the database cannot be read.
        """

    async def put(self, model: str, session: str, conversation: StoredConversation) -> None:
        """Store the conversation of a lane; it is durable when the call returns.

        Raises:
            StoreError: the database cannot be written.
        """


class MemoryConversations:
    """A :class:`ConversationStore` for a process that asks no lane's question, such as ``doctor``."""

    def __init__(self) -> None:
        self._conversations: dict[tuple[str, str], StoredConversation] = {}

    async def get(self, model: str, session: str) -> StoredConversation | None:
        """See :class:`ConversationStore`."""
        return self._conversations.get((model, session))

    async def put(self, model: str, session: str, conversation: StoredConversation) -> None:
        """See :class:`ConversationStore`. Nothing is durable."""
        self._conversations[model, session] = conversation
