"""The limit of messages that wait in one room (``max_queued_per_room``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.payloads import MessagePayload, RefusalPayload, RefusalReason
from agent_bridge.core.turns import NewTurn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.rooms import Room
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.rooms import Rooms

#: Characters of a refused message by which its sender recognises it.
_EXCERPT = 60


@dataclass(frozen=True, slots=True)
class QueueLimit:
    """Refuses messages, edits and requests for another answer beyond the limit."""

    rooms: Rooms
    intake_store: IntakeStore
    rules: Rules
    max_queued: int

    async def applied(
        self, new: Sequence[NewTurn | ChangeRequest], rooms: Mapping[str, Room]
    ) -> Sequence[NewTurn | ChangeRequest]:
        """Return *new* with a refusal in place of each message whose room is full, and with changes that may not wait.

        Raises:
            StoreError: the database did not return the known events.
        """
        bounded = self._bounded(new, rooms, ())
        if bounded == new:
            return bounded
        # An event that the homeserver sends again has its place already, if it still waits.
        known = await self.intake_store.known([each.event_id for each in new])
        return self._bounded(new, await self.rooms.contexts(rooms), known)

    def _bounded(
        self, new: Sequence[NewTurn | ChangeRequest], rooms: Mapping[str, Room], known: Collection[str]
    ) -> list[NewTurn | ChangeRequest]:
        waiting = {room_id: room.waiting for room_id, room in rooms.items()}
        bounded: list[NewTurn | ChangeRequest] = []
        for each in new:
            if isinstance(each, NewTurn) and isinstance(each.payload, MessagePayload) and each.event_id not in known:
                waiting[each.room_id] += len(each.addressees)
                if waiting[each.room_id] > self.max_queued:
                    bounded.append(self.rules.refused(each, self.refusal(each.payload, each.thread)))
                    continue
            elif isinstance(each, ChangeRequest) and each.kind is not ChangeKind.REDACT and each.event_id not in known:
                # Only the database knows whether the change needs a place: edits of waiting messages need none.
                bounded.append(replace(each, may_wait=waiting[each.room_id] < self.max_queued))
                waiting[each.room_id] += each.kind is ChangeKind.AGAIN
                continue
            bounded.append(each)
        return bounded

    def refusal(self, message: MessagePayload, thread: str = "") -> RefusalPayload:
        """Return the reason that the room of *message* is full."""
        body = message.body or (message.file.name if message.file is not None else "")
        excerpt = body if len(body) <= _EXCERPT else f"{body[:_EXCERPT]}…"
        return RefusalPayload(RefusalReason.FULL, thread, excerpt, self.max_queued)
