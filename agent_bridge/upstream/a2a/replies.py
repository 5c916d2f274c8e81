"""The newest answers without a task, which no server shows again: a turn that is put back needs them once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.upstream.a2a.records import Reply

#: Replies that are kept, and characters of all their parts.
_MOST, _MAX_SIZE = 50, 1_000_000


class Replies:
    """Answers by the keys of their questions, in the memory of this process."""

    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}

    def keep(self, key: str, reply: Reply) -> None:
        """Keep the answer to the question *key* for a while, unless it is large."""
        if sum(part.size for part in reply.parts) <= _MAX_SIZE:
            self._replies[key] = reply
        while len(self._replies) > _MOST:
            del self._replies[next(iter(self._replies))]

    def find(self, key: str) -> Reply | None:
        """Return the answer to the question *key*, None if it is not kept."""
        return self._replies.get(key)
