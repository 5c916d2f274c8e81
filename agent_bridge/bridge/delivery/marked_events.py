"""The search for the bridge's own events by their marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.matrix.events import mark_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.matrix.client import Homeserver

#: Events of one page of a room's history.
_PAGE = 100


async def marked_events(
    homeserver: Homeserver, room_id: str, user_id: str, marks: Collection[str], *, until: str
) -> dict[str, str]:
    """Return the ids of the events of *user_id* with *marks*, by mark, that the room got since the event *until*."""
    found: dict[str, str] = {}
    start: str | None = None
    while len(found) < len(marks):
        events, start = await homeserver.messages(room_id, limit=_PAGE, start=start, as_user=user_id)
        for event in events:
            # A mark can be forged.
            if event.get("sender") == user_id and (theirs := mark_of(event)) in marks:
                found[theirs] = event["event_id"]
        # An event ends the search, not a time: the clocks of the homeserver and of the database may differ.
        if start is None or any(event.get("event_id") == until for event in events):
            break
    return found
