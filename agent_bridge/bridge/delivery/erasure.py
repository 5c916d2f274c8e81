"""Erasure: events of the bridge are redacted together with their edits, which contain the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.errors import HomeserverRefused

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)

#: Events of one page, and pages that are read behind a redacted event at most.
_PAGE, _PAGES = 100, 50


class Eraser:
    """Redacts events of ghosts and of the bridge bot. A repeat changes nothing."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    async def erase(self, room_id: str, event_id: str, user_id: str) -> None:
        """Redact the event *event_id* of *user_id* and the edits of it, as far as the homeserver permits it.

        Raises:
            HomeserverUnavailable: the homeserver did not respond; a repeat does the rest.
        """
        try:
            event = await self._homeserver.event(room_id, event_id, user_id)
            if event is None:
                return
            is_redacted = "redacted_because" in (event.get("unsigned") or {})
            edits = await (self._edits_behind if is_redacted else self._edits_of)(room_id, event_id, user_id)
            for each in [*edits, *([] if is_redacted else [event_id])]:
                await self._homeserver.redact(room_id, each, txn_id=f"ab.erase.{each}", as_user=user_id)
        except HomeserverRefused as error:
            _log.warning("an event was not redacted", room=room_id, event_id=event_id, error=str(error))

    async def _edits_of(self, room_id: str, event_id: str, user_id: str) -> list[str]:
        found: list[str] = []
        start: str | None = None
        while True:
            page, start = await self._homeserver.edits(room_id, event_id, start, user_id)
            found += [event["event_id"] for event in page if event.get("sender") == user_id]
            if start is None:
                return found

    async def _edits_behind(self, room_id: str, event_id: str, user_id: str) -> list[str]:
        """Return the edits of a redacted event: the homeserver lists none, so they are searched in the room."""
        found: list[str] = []
        start = await self._homeserver.position_after(room_id, event_id, user_id)
        only = {"senders": [user_id], "types": ["m.room.message"]}
        for _ in range(_PAGES):
            if start is None:
                return found
            page, start = await self._homeserver.messages(
                room_id, limit=_PAGE, start=start, as_user=user_id, only=only, forwards=True
            )
            found += [event["event_id"] for event in page if _is_edit_of(event, event_id)]
        _log.warning("edits of a redacted answer may be left", room=room_id, event_id=event_id)
        return found


def _is_edit_of(event: dict[str, Any], event_id: str) -> bool:
    related = event.get("content", {}).get("m.relates_to")
    return isinstance(related, dict) and (related.get("rel_type"), related.get("event_id")) == ("m.replace", event_id)
