"""Relayed events that count: those that a program of their person has asked for, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.ids import MARK
from agent_bridge.matrix.relayed import as_said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.intake import IntakeStore


class RelayedEvents:
    """Looks at relayed events before they are taken. Other events cost no statement.

    A person may have had an account under a name of the bridge's users before the bridge was registered, and can write
    any content. So each relayed event needs a request of a program, which is written before the event is sent and has
    one event.
    """

    def __init__(self, store: IntakeStore, namespace: Namespace) -> None:
        self._store = store
        self._namespace = namespace

    async def counting(self, events: Iterable[RoomEvent]) -> tuple[list[RoomEvent], set[str]]:
        """Return *events* as they were said, and the ids of the relayed ones that are known already.

        Relayed ones that no program has asked for are left out. The known ones were taken when they were sent.

        Raises:
            StoreError: it cannot be told.
        """
        given = [as_said(event, self._namespace) for event in events]
        relayed = {event.event_id: event for event in given if event.is_relayed}
        if not relayed:
            return given, set()
        known = await self._store.known(relayed)
        asked = [
            (event_id, event.text(MARK) or "", event.sender)
            for event_id, event in relayed.items()
            if event_id not in known
        ]
        counting = known | (await self._store.vouched(asked) if asked else set())
        return [event for event in given if event.event_id not in relayed or event.event_id in counting], known
