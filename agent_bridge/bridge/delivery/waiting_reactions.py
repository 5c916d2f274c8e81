"""The reaction ⏳ of a ghost to a message that waits behind another one in its lane, with its place in the queue.

The number of events is bounded: a message gets at most one reaction for each of the places from 9 to 1, and its
reaction changes at most every five seconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.core.ids import MARK
from agent_bridge.render.content import reaction
from agent_bridge.store.postgres.signals import Topic
from agent_bridge.store.waiting_reactions import LAST_PLACE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.waiting_reactions import WaitingMessage, WaitingMessages

_log = structlog.stdlib.get_logger(__name__)

WAITING_REACTION = "⏳"
#: Seconds that a message waits before it gets the reaction: one that vanishes at once only disturbs.
_AFTER = 1.0
#: Seconds for which a reaction stays although the message has moved to an earlier place.
_STAYS = 5.0
#: Seconds between two passes while reactions are added or removed, and reactions of one pass at most.
_INTERVAL, _BATCH = 0.5, 20
#: Seconds that adding or removing one reaction may take.
_PATIENCE = 10.0


class WaitingReactions:
    """Makes the reactions match the table of turns.

    The intention to add a reaction is written before the request, so a process that dies leaves no reaction behind.
    """

    def __init__(self, homeserver: Homeserver, waiting: WaitingMessages, signals: Signals) -> None:
        self._homeserver = homeserver
        self._waiting = waiting
        self._signals = signals

    async def run(self) -> None:
        """Add and remove reactions until cancelled."""
        with self._signals.subscription(Topic.WAITING) as wake:
            await every(FALLBACK, self._pass, name="reactions to waiting messages", wake=wake)

    async def _pass(self) -> float | None:
        """Add and remove the reactions that are due; return the seconds until the next pass."""
        over = await self._waiting.over(_BATCH)
        due, due_in = await self._waiting.unshown(_AFTER, _BATCH)
        moved, moved_in = await self._waiting.moved(_STAYS, _BATCH)
        # Concurrently: a room that does not respond delays no other room.
        await asyncio.gather(
            *(self._attempt(self._hide, each) for each in over),
            *(self._attempt(self._show, each) for each in due),
            *(self._attempt(self._move, each) for each in moved),
        )
        # A reaction whose attempt failed is still due.
        if over or due or moved:
            return _INTERVAL
        return min((each for each in (due_in, moved_in) if each is not None), default=None)

    async def _attempt(self, act: Callable[[WaitingMessage], Awaitable[None]], waiter: WaitingMessage) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await act(waiter)
        except (BridgeError, TimeoutError) as error:
            _log.info("a waiting reaction was not updated", room=waiter.room_id, error=str(error))

    async def _show(self, waiter: WaitingMessage) -> None:
        await self._waiting.intend(waiter.turn, waiter.place)
        try:
            event_id = await self._send(waiter, waiter.place)
        except HomeserverRefused as error:
            _log.info("a waiting reaction was refused", room=waiter.room_id, error=str(error))
            await self._waiting.refuse(waiter.turn)
        else:
            await self._waiting.record(waiter.turn, event_id)

    async def _move(self, waiter: WaitingMessage) -> None:
        """Replace the reaction by one that shows the present place, or send it again if its result is unknown.

        A process that dies in between leaves none.
        """
        if waiter.place != waiter.shown_place:
            await self._hide(waiter)
        await self._show(waiter)

    async def _hide(self, waiter: WaitingMessage) -> None:
        ghost = self._homeserver.namespace.user_id(waiter.ghost)
        try:
            for event_id in [waiter.waiting_event_id] if waiter.waiting_event_id else await self._settle(waiter, ghost):
                txn_id = f"ab.{waiter.key}.hourglass.{event_id}.redact"
                await self._homeserver.redact(waiter.room_id, event_id, txn_id=txn_id, as_user=ghost)
        except HomeserverRefused as error:
            _log.info("a waiting reaction was not removed", room=waiter.room_id, error=str(error))
        await self._waiting.record(waiter.turn, None)

    async def _send(self, waiter: WaitingMessage, place: int) -> str:
        """Send the reaction, or find it sent: the homeserver returns the event of an earlier request."""
        name = _name(waiter, place)
        return await self._homeserver.send(
            waiter.room_id,
            reaction(waiter.event_id, _key(place)) | {MARK: name},
            kind="m.reaction",
            txn_id=f"ab.{name}",
            as_user=self._homeserver.namespace.user_id(waiter.ghost),
        )

    async def _settle(self, waiter: WaitingMessage, ghost: str) -> list[str]:
        """Return the events of a request whose result is unknown.

        The homeserver may still carry the request out. To repeat it waits for the first one; only a homeserver that has
        forgotten the transaction id refuses a second reaction of the same kind, and then has the first.
        """
        try:
            return [await self._send(waiter, waiter.shown_place or 1)]
        except HomeserverRefused:
            return await self._find_reaction(waiter, ghost)

    async def _find_reaction(self, waiter: WaitingMessage, ghost: str) -> list[str]:
        """Return the reaction whose event id was not stored, if the homeserver has it."""
        events = await self._homeserver.annotations(waiter.room_id, waiter.event_id, ghost)
        name = _name(waiter, waiter.shown_place or 1)
        return [
            event["event_id"]
            for event in events
            if event.get("sender") == ghost and event.get("content", {}).get(MARK) == name
        ]


def _key(place: int) -> str:
    """Return the reaction of a message at *place*."""
    if place == 1:
        return WAITING_REACTION
    return f"{WAITING_REACTION} {place}+" if place == LAST_PLACE else f"{WAITING_REACTION} {place}"


def _name(waiter: WaitingMessage, place: int) -> str:
    """Return the name of a reaction, in its mark and its transaction id."""
    return f"{waiter.key}.hourglass" if place == 1 else f"{waiter.key}.hourglass.{place}"
