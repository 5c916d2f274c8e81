"""The durable link between a lane of the bridge and a conversation that its upstream keeps; lists of conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agent_bridge.core.upstreams import StoredConversation
    from agent_bridge.upstream.capabilities import ConversationInfo

#: Conversations of a page of :func:`all_pages`.
PAGE = 100


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


async def selected(store: ConversationStore, model: str, session: str, /) -> str | None:
    """Return the id of the conversation of a lane, None without one.

    Raises:
        StoreError: the database cannot be read.
    """
    known = await store.get(model, session)
    return known.ref or None if known is not None else None


async def all_pages(fetch: Callable[[str], Awaitable[Sequence[ConversationInfo]]]) -> Sequence[ConversationInfo]:
    """Return the conversations of all pages of a server's list, in its order.

    *fetch* returns the :data:`PAGE` conversations behind the one with the given id, the first ones behind an empty id;
    fewer at the end of the list.
    """
    found: dict[str, ConversationInfo] = {}
    after = ""
    while True:
        page = await fetch(after)
        fresh = {each.ref: each for each in page if each.ref}
        # A server that does not know the cursor any more returns its first page again.
        is_last = len(page) < PAGE or fresh.keys() <= found.keys()
        found |= fresh
        if is_last:
            return tuple(found.values())
        after = page[-1].ref
