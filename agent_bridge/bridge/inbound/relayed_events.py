"""Relayed events that count: those that a program of their person has asked for, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.ids import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.intake import IntakeStore


class RelayedEvents:
    """Looks at relayed events before they are taken. Other events cost no statement.

    A person may have had an account under a name of the bridge's users before the bridge was registered, and can write
    any content. So each relayed event needs a request of a program, which is written before the event is sent and has
    one event.
    """

    def __init__(self, store: IntakeStore) -> None:
        self._store = store

    async def counting(self, events: Iterable[RoomEvent], *, copies: bool) -> list[RoomEvent]:
        """Return *events* without the relayed ones that no program has asked for.

        *copies*: with those that are known; they were taken when they were sent.

        Raises:
            StoreError: it cannot be told.
        """
        given = list(events)
        relayed = {event.event_id: event for event in given if event.is_relayed}
        if not relayed:
            return given
        known = await self._store.known(relayed)
        asked = [
            (event_id, event.text(MARK) or "", event.sender)
            for event_id, event in relayed.items()
            if event_id not in known
        ]
        counting = await self._store.vouched(asked) if asked else set()
        counting |= known if copies else set()
        return [event for event in given if event.event_id not in relayed or event.event_id in counting]
