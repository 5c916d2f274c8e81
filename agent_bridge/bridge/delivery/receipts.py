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
#: Requests in flight with which the homeserver counts as busy. Receipts and typing notices then wait: messages are
#: more important, and both together cost the homeserver as much as a message.
_BUSY = 16
#: Seconds for which the end of a block waits for the last request.
_PATIENCE = 5.0


class Receipts:
    """Shows that a ghost reads and types."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    @asynccontextmanager
    async def working(self, room_id: str, event_id: str, user_id: str) -> AsyncIterator[Working]:
        """Show that *user_id* has read *event_id*, and types until the block calls :meth:`Working.stop_typing` or ends.

        Nothing is shown if the block is quick, or as long as the homeserver is busy.
        """
        working = Working(self._homeserver, room_id, event_id, user_id)
        try:
            yield working
        finally:
            await working.end()


class Working:
    """The work of one ghost on one message, as the room sees it."""

    def __init__(self, homeserver: Homeserver, room_id: str, event_id: str, user_id: str) -> None:
        self._homeserver = homeserver
        self._room_id = room_id
        self._event_id = event_id
        self._user_id = user_id
        #: The tasks of the receipt and of the typing notices, once they are shown.
        self._shown: tuple[asyncio.Task[None], asyncio.Task[None]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._show_later()

    def stop_typing(self) -> None:
        """Show that the ghost does not type any more, without waiting for the request."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        if self._shown is not None:
            _, typing = self._shown
            typing.cancel()

    async def end(self) -> None:
        """Stop typing; wait for the requests that were sent, but not for long."""
        self.stop_typing()
        if self._shown is not None:
            receipt, _ = self._shown
            try:
                await asyncio.wait(self._shown, timeout=_PATIENCE)
            finally:
                receipt.cancel()

    def _show_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_SHOWN_AFTER, self._show)

    def _show(self) -> None:
        if self._homeserver.in_flight > _BUSY:
            self._show_later()
        else:
            self._shown = asyncio.create_task(self._send_receipt()), asyncio.create_task(self._keep_typing())

    async def _send_receipt(self) -> None:
        try:
            await self._homeserver.read(self._room_id, self._event_id, self._user_id)
        except HomeserverError as error:
            _log.debug("the read receipt was not sent", error=str(error))

    async def _keep_typing(self) -> None:
        try:
            while True:
                await self._homeserver.typing(self._room_id, self._user_id, _TYPING)
                await asyncio.sleep(_REPEAT)
        except HomeserverError as error:
            _log.debug("the typing notice was not sent", error=str(error))
        finally:
            with suppress(HomeserverError):
                await self._homeserver.typing(self._room_id, self._user_id, 0)
