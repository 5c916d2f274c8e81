"""Read receipts and typing notices of ghosts. An answer never depends on them: a failure is only logged."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import HomeserverError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)

#: Seconds that a typing notice is valid, and seconds after which it is repeated.
_TYPING, _REPEAT = 30.0, 20.0
#: Seconds of work before the first typing notice: a quick answer needs none.
_TYPING_AFTER = 0.25
#: Seconds for which the end of a block waits for the last request.
_PATIENCE = 5.0


class Receipts:
    """Shows that a ghost reads and types."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    @asynccontextmanager
    async def reading(self, room_id: str, event_id: str, user_id: str) -> AsyncIterator[None]:
        """Send the read receipt for *event_id* while the block runs."""
        request = asyncio.create_task(self._send_receipt(room_id, event_id, user_id))
        try:
            yield
        finally:
            try:
                await asyncio.wait({request}, timeout=_PATIENCE)
            finally:
                request.cancel()

    @asynccontextmanager
    async def typing(self, room_id: str, user_id: str) -> AsyncIterator[None]:
        """Show *user_id* as typing while the block runs, if the block takes longer than a moment."""
        loop = asyncio.get_running_loop()
        notices: list[asyncio.Task[None]] = []
        timer = loop.call_later(
            _TYPING_AFTER, lambda: notices.append(loop.create_task(self._keep_typing(room_id, user_id)))
        )
        try:
            yield
        finally:
            timer.cancel()
            for task in notices:
                task.cancel()
                await asyncio.wait({task}, timeout=_PATIENCE)

    async def _send_receipt(self, room_id: str, event_id: str, user_id: str) -> None:
        try:
            await self._homeserver.read(room_id, event_id, user_id)
        except HomeserverError as error:
            _log.debug("the read receipt was not sent", error=str(error))

    async def _keep_typing(self, room_id: str, user_id: str) -> None:
        try:
            while True:
                await self._homeserver.typing(room_id, user_id, _TYPING)
                await asyncio.sleep(_REPEAT)
        except HomeserverError as error:
            _log.debug("the typing notice was not sent", error=str(error))
        finally:
            with suppress(HomeserverError):
                await self._homeserver.typing(room_id, user_id, 0)
