"""The durable link between a lane of the bridge and a conversation that its upstream keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A lane's conversation on the server."""

    #: The server's id; empty while the first one is made.
    ref: str
    #: A unique word in the name of a conversation that is being made and will replace *ref*; empty at other times.
    marker: str = ""


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
