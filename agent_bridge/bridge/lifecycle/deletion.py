"""The operation ``delete``: tells how far the deletion of rooms is, which other duties of the leader carry out.

The rows of the rooms show the rest, so a repeat finds the same. A deletion that is over at once shows nothing beyond
the answer to its command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.operations import Pause, Progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agent_bridge.core.operations import Operation
    from agent_bridge.store.operations import OperationStore

#: Seconds between two looks at first, and later: a room may have to wait for an upstream that is away.
_LOOK, _LONGEST_LOOK = 0.5, 15.0
#: Seconds of a deletion whose end is not worth a message.
_SHORT = 3.0


class Deletion:
    """Runs the operation. Its parameters are those of :meth:`OperationStore.request_deletion`."""

    def __init__(self, store: OperationStore) -> None:
        self._store = store

    async def run(self, operation: Operation) -> AsyncGenerator[Progress | Pause, None]:
        """Tell the number of rooms that are gone, until all are.

        Raises:
            StoreError: the next run goes on.
        """
        rooms = operation.params["rooms"]
        left = await self._store.count_deleting(rooms)
        done = len(rooms) - left
        if done != operation.done or operation.total is None:
            yield Progress(done, len(rooms), done, note=operation.params["name"])
        if left:
            yield Pause(min(_LONGEST_LOOK, max(_LOOK, operation.age / 10)))


def is_short(operation: Operation) -> bool:
    """Tell whether *operation* has ended so soon that the answer to its command says enough."""
    return operation.is_finished and operation.age < _SHORT
