"""Takes encrypted events and news about keys in: they are committed as they are, and opened afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.keys import KeyNews, KeyNewsKind
from agent_bridge.matrix.key_news import key_news, may_have_keys
from agent_bridge.matrix.rooms import ENCRYPTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.sealed import SealedEvents

_ENCRYPTED = "m.room.encrypted"


class SealedIntake:
    """The stage in front of the intake, for a bridge with keys."""

    def __init__(self, store: SealedEvents, namespace: Namespace) -> None:
        self._store = store
        self._namespace = namespace

    async def take_news(self, raw: bytes, lost_news: bool) -> None:  # noqa: FBT001  # the endpoint calls it
        """Commit the news about keys in the transaction *raw*.

        *lost_news*: the homeserver has dropped some before, so the keys are brought up to date.

        Raises:
            StoreError: nothing was committed; the homeserver sends the transaction again.
        """
        lost = [KeyNews("", KeyNewsKind.LOST, {})] if lost_news else []
        found = [*lost, *(each for each in key_news(raw) if may_have_keys(each))]
        if news := [each for each in found if not each.user_id or self._namespace.is_ours(each.user_id)]:
            await self._store.add_news(news, [self._namespace.bot])

    async def take(self, events: Sequence[RoomEvent]) -> list[RoomEvent]:
        """Commit the encrypted ones of *events*, and return the others.

        Raises:
            StoreError: nothing was committed; the homeserver sends the events again.
        """
        redacted = [event.event_id for event in events if event.redacted_by is not None]
        redacted += [event.redacts for event in events if event.redacts is not None]
        sealed = [event for event in events if event.type == _ENCRYPTED and event.redacted_by is None]
        if sealed:
            await self._store.seal([_raw(event) for event in sealed])
        if redacted:
            await self._store.forget(redacted)
        if rooms := {event.room_id for event in events if event.type == ENCRYPTION and event.state_key == ""}:
            await self._store.mark_encrypted(rooms)
        if rooms := {event.room_id for event in events if self._changes_members(event)}:
            await self._store.members_changed(rooms)
        return [event for event in events if event.type != _ENCRYPTED or event.redacted_by is not None]

    def _changes_members(self, event: RoomEvent) -> bool:
        """Tell whether others may read a room than before: the bridge's own users read it anyway."""
        if event.type != "m.room.member" or event.state_key is None or self._namespace.is_ours(event.state_key):
            return False
        return not (event.was_joined and event.content.get("membership") == "join")


def _raw(event: RoomEvent) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "room_id": event.room_id,
        "type": event.type,
        "sender": event.sender,
        "content": dict(event.content),
        "origin_server_ts": event.timestamp,
    }
