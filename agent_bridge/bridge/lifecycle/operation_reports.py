"""Shows the progress and the result of an operation in the answer to the command that requested it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import HomeserverError, HomeserverRefused, StoreError
from agent_bridge.core.ids import mark
from agent_bridge.render.content import edit, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.core.operations import Notice, Operation
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.operations import OperationStore

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks whether the answer is sent, and their number.
_LOOK, _LOOKS = 0.2, 50


class OperationReports:
    """Edits the answer to a command, to the text that *render* returns. A repeat has the same transaction id."""

    def __init__(self, homeserver: Homeserver, store: OperationStore, render: Callable[[Operation], str]) -> None:
        self._homeserver = homeserver
        self._store = store
        self._render = render

    async def show(self, operation: Operation) -> None:
        """Show the state of *operation*; a progress that cannot be shown is left out.

        Raises:
            HomeserverUnavailable, StoreError: the result is not shown yet.
        """
        if operation.turn is None:
            return
        notice = await self._notice(operation, operation.turn)
        if notice is None or notice.event_id is None:
            return
        content = edit(message(self._render(operation), mark=mark(notice.key, 0), notice=True), notice.event_id)
        # An operation whose failure could not be shown is tried once more, and may be done.
        step = str(operation.state if operation.is_finished else operation.done)
        user = self._homeserver.namespace.voice_id(notice.voice)
        try:
            await self._homeserver.send(
                notice.room_id, content, txn_id=f"ab.{notice.key}.{operation.id}.{step}", as_user=user
            )
        except HomeserverRefused as error:
            _log.warning("the progress of an operation cannot be shown", room=notice.room_id, error=str(error))
        except HomeserverError:
            if operation.is_finished:
                raise

    async def _notice(self, operation: Operation, turn: int) -> Notice | None:
        """Return the answer that is edited; wait for it to be sent if this is the result."""
        for _ in range(_LOOKS if operation.is_finished else 1):
            notice = await self._store.notice(turn)
            if notice is None or notice.event_id is not None or not operation.is_finished:
                return notice
            # The command may be answered in another process.
            await asyncio.sleep(_LOOK)
        raise StoreError("the answer to the command is not sent yet")
