"""The reaction 🛑 of a ghost to a message whose answer takes long, for people to click on."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.own_reactions import remove_reactions
from agent_bridge.core.errors import HomeserverError, HomeserverRefused
from agent_bridge.core.ids import MARK
from agent_bridge.render.content import reaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)

STOP = "🛑"
#: Its name in marks and transaction ids.
_NAME = "stop"
#: Seconds of work after which the ghost offers to stop.
AFTER = 5.0
#: Seconds for which the end of the work waits for the request.
_PATIENCE = 5.0


class StopOffers:
    """Offers to stop answers. An answer never depends on the offer: a refusal is only logged."""

    def __init__(self, homeserver: Homeserver, after: float = AFTER) -> None:
        self._homeserver = homeserver
        self._after = after

    @asynccontextmanager
    async def offered(self, turn: Turn, ghost: str) -> AsyncIterator[StopOffer]:
        """Have *ghost* react to the message of *turn* if the block takes long; see :meth:`StopOffer.withdraw`."""
        offer = StopOffer(self._homeserver, turn, ghost, self._after)
        try:
            yield offer
        finally:
            await offer.end()


class StopOffer:
    """The offer for one turn."""

    def __init__(self, homeserver: Homeserver, turn: Turn, ghost: str, after: float) -> None:
        self._homeserver = homeserver
        self._turn = turn
        self._ghost = ghost
        #: Whether the message has, or may have, the reaction: an earlier attempt may have left it.
        self._shown = turn.attempts > 1
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(after, self._begin)

    async def end(self) -> None:
        """Make no offer from now on."""
        self._timer.cancel()
        if self._task is not None:
            # A request that was sent may be carried out: its end is awaited, so that the reaction can be found.
            try:
                await asyncio.wait({self._task}, timeout=_PATIENCE)
            finally:
                self._task.cancel()

    async def withdraw(self) -> None:
        """Make no offer from now on, and remove the reaction.

        Raises:
            HomeserverUnavailable: the homeserver did not answer; the next attempt removes the reaction.
        """
        await self.end()
        if not self._shown:
            return
        turn = self._turn
        try:
            await remove_reactions(self._homeserver, turn, self._ghost, [self._mark], name=_NAME)
        except HomeserverRefused as error:
            _log.info("the offer to stop was not removed", room=turn.room_id, error=str(error))

    @property
    def _mark(self) -> str:
        return f"{self._turn.key}.{_NAME}"

    def _begin(self) -> None:
        self._shown = True
        self._task = asyncio.create_task(self._offer())

    async def _offer(self) -> None:
        turn = self._turn
        content = reaction(turn.event_id, STOP) | {MARK: self._mark}
        txn_id = f"ab.{self._mark}.{turn.retries}.{turn.attempts}"
        try:
            await self._homeserver.send(turn.room_id, content, kind="m.reaction", txn_id=txn_id, as_user=self._ghost)
        except HomeserverError as error:
            _log.info("the offer to stop was not shown", room=turn.room_id, error=str(error))
