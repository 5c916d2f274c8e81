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
#: Seconds of work before the read receipt and the first typing notice. A quick answer needs neither: it shows that the
#: message was read, and both requests would delay it.
_SHOWN_AFTER = 0.25
#: Seconds for which the end of a block waits for the last request.
_PATIENCE = 5.0


class Receipts:
    """Shows that a ghost reads and types."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    @asynccontextmanager
    async def working(self, room_id: str, event_id: str, user_id: str) -> AsyncIterator[None]:
        """Show that *user_id* has read *event_id* and types while the block runs, if the block is not quick."""
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[None]] = []

        def start() -> None:
            tasks.append(loop.create_task(self._send_receipt(room_id, event_id, user_id)))
            tasks.append(loop.create_task(self._keep_typing(room_id, user_id)))

        timer = loop.call_later(_SHOWN_AFTER, start)
        try:
            yield
        finally:
            timer.cancel()
            if tasks:
                receipt, typing = tasks
                typing.cancel()
                try:
                    await asyncio.wait(tasks, timeout=_PATIENCE)
                finally:
                    receipt.cancel()

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
