"""The reaction 🛑 of a ghost to a message whose answer takes long, for people to click on."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.own_reactions import remove_reactions
from agent_bridge.core.errors import HomeserverError, HomeserverRefused, StoreError
from agent_bridge.core.ids import MARK
from agent_bridge.render.content import reaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

STOP = "🛑"
#: Its name in marks and transaction ids.
_NAME = "stop"
#: Seconds of work after which the ghost offers to stop.
AFTER = 5.0
#: Seconds for which the end of the work waits for the request.
_PATIENCE = 5.0


class StopOffers:
    """Offers to stop answers. An answer never depends on the offer: a refusal is only logged.

    The intention to send the reaction is stored before the request, and the request has the same transaction id in
    every attempt. So each reaction is found, also one that the homeserver shows late.
    """

    def __init__(self, homeserver: Homeserver, turns: Turns, after: float = AFTER) -> None:
        self._homeserver = homeserver
        self._turns = turns
        self._after = after

    @asynccontextmanager
    async def offered(self, turn: Turn, ghost: str) -> AsyncIterator[StopOffer]:
        """Have *ghost* react to the message of *turn* if the block takes long; see :meth:`StopOffer.withdraw`."""
        offer = StopOffer(self, turn, ghost, self._after)
        try:
            yield offer
        finally:
            await offer.end()

    async def show(self, turn: Turn, ghost: str) -> None:
        """Add the reaction of *ghost* to the message of *turn*, unless an earlier attempt has left it."""
        try:
            left = await self._turns.stop_offer(turn.id)
            if left or not await self._turns.intend_offer(turn):
                return
            try:
                event_id = await self._send(turn, ghost)
            except HomeserverRefused:
                await self._turns.offer_stop(turn.id, left)
                raise
            await self._turns.offer_stop(turn.id, event_id)
        except (HomeserverError, StoreError) as error:
            _log.info("the offer to stop was not shown", room=turn.room_id, error=str(error))

    async def withdraw(self, turn: Turn, ghost: str) -> None:
        """Remove the reaction of *ghost* to the message of *turn*, if it was, or may have been, added.

        Raises:
            HomeserverUnavailable: the homeserver did not answer; the next attempt removes the reaction.
            StoreError: the database did not answer.
        """
        event_id = await self._turns.stop_offer(turn.id)
        if event_id is None:
            return
        try:
            await self._remove(turn, ghost, event_id)
        except HomeserverRefused as error:
            _log.info("the offer to stop was not removed", room=turn.room_id, error=str(error))
        await self._turns.offer_stop(turn.id, None)

    async def _remove(self, turn: Turn, ghost: str, event_id: str) -> None:
        if not event_id:
            # The homeserver may still carry the request out: a repeat returns its event.
            try:
                event_id = await self._send(turn, ghost)
            except HomeserverRefused:
                # It has the reaction by another request, or permits none.
                await remove_reactions(self._homeserver, turn, ghost, [_mark(turn)], name=_NAME)
                return
        txn_id = f"ab.{_mark(turn)}.{event_id}.redact"
        await self._homeserver.redact(turn.room_id, event_id, txn_id=txn_id, as_user=ghost)

    async def _send(self, turn: Turn, ghost: str) -> str:
        content = reaction(turn.event_id, STOP) | {MARK: _mark(turn)}
        txn_id = f"ab.{_mark(turn)}.{turn.retries}"
        return await self._homeserver.send(turn.room_id, content, kind="m.reaction", txn_id=txn_id, as_user=ghost)


class StopOffer:
    """The offer for one attempt."""

    def __init__(self, offers: StopOffers, turn: Turn, ghost: str, after: float) -> None:
        self._offers = offers
        self._turn = turn
        self._ghost = ghost
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(after, self._begin)

    async def end(self) -> None:
        """Make no offer from now on."""
        self._timer.cancel()
        if self._task is not None:
            try:
                await asyncio.wait({self._task}, timeout=_PATIENCE)
            finally:
                self._task.cancel()

    async def withdraw(self) -> None:
        """Make no offer from now on, and remove the reaction; raises the errors of :meth:`StopOffers.withdraw`."""
        await self.end()
        if self._task is not None:
            # Its last statement must not come after those of the removal.
            await asyncio.wait({self._task})
        if self._task is not None or self._turn.attempts > 1:
            await self._offers.withdraw(self._turn, self._ghost)

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._offers.show(self._turn, self._ghost))


def _mark(turn: Turn) -> str:
    return f"{turn.key}.{_NAME}"
