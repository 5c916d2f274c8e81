"""Messages of the bridge whose ids are not stored yet: people may already react to them.

People see a message a moment before the process that sent it has the homeserver's response and stores the id. If that
process is frozen or killed then, the moment is long. A 🛑 or 👍 in it would be a reaction to something unknown.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import HomeserverError
from agent_bridge.core.ids import mark
from agent_bridge.matrix.events import mark_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.matrix.requests import Json
    from agent_bridge.store.sent_events import SentEvents, UnstoredPart

    #: Returns an event of a room, as a user may see it.
    EventOf = Callable[[str, str, str | None], Awaitable[Json | None]]

_log = structlog.stdlib.get_logger(__name__)

#: Seconds for the requests to the homeserver: the transaction that brought the reaction waits.
_PATIENCE = 5.0


class UnstoredMessages:
    """Finds them on the homeserver by their marks, when people react or reply to them."""

    def __init__(
        self, sent: SentEvents, namespace: Namespace, event_of: EventOf, *, patience: float = _PATIENCE
    ) -> None:
        self._sent = sent
        self._namespace = namespace
        self._event_of = event_of
        self._patience = patience

    async def store(self, events: Sequence[RoomEvent]) -> None:
        """Store the ids of the bridge's messages to which *events* relate, as far as they are not stored.

        If the homeserver does not respond in time, the ids stay unknown, and the log says so.

        Raises:
            StoreError: the database did not respond.
        """
        related = [(event.room_id, event.target, event.replies_to) for event in events]
        targets = {(room_id, target) for room_id, *both in related for target in both if target is not None}
        if not targets:
            return
        parts: dict[tuple[str, str], list[UnstoredPart]] = defaultdict(list)
        for part in await self._sent.unstored(targets):
            parts[part.room_id, part.target].append(part)
        try:
            async with asyncio.timeout(self._patience):
                for (room_id, target), possible in parts.items():
                    if (shown := await self._shown(room_id, target, possible)) is not None:
                        await self._sent.store(shown)
        except (HomeserverError, TimeoutError) as error:
            _log.warning("a reaction may be to a message whose id is not stored yet", error=str(error))

    async def _shown(self, room_id: str, target: str, parts: Sequence[UnstoredPart]) -> UnstoredPart | None:
        """Return the one of *parts* that the event *target* shows."""
        namespace = self._namespace
        for reader in {part.reader for part in parts}:
            event = await self._event_of(room_id, target, reader and namespace.user_id(reader))
            if event is not None:
                # Others can forge a mark.
                found = mark_of(event) if namespace.is_ours(str(event.get("sender"))) else ""
                return next((part for part in parts if mark(part.key, part.part) == found), None)
        return None
