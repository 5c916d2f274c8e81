"""The limits of messages that wait in one room (``max_queued_per_room``), and of the commands of one person there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.payloads import (
    CommandPayload,
    EditPayload,
    MessagePayload,
    RefusalPayload,
    RefusalReason,
)
from agent_bridge.core.turns import NewTurn, TurnKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.payloads import Payload
    from agent_bridge.core.rooms import Room
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.rooms import Rooms

#: Commands of one person that wait in a room.
_MAX_COMMANDS = 10
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
        if choosing := {each.room_id for each in new if isinstance(each, NewTurn) and each.kind is TurnKind.CHOICE}:
            rooms = await self._with_waiting(new, rooms, choosing)
        bounded = self._bounded(new, rooms, ())
        if bounded == new:
            return bounded
        # An event that the homeserver sends again has its place already, if it still waits.
        known = await self.intake_store.known([each.event_id for each in new])
        present = await self.rooms.contexts(rooms)
        return self._bounded(new, await self._with_waiting([], present, choosing) if choosing else present, known)

    async def _with_waiting(
        self, new: Sequence[NewTurn | ChangeRequest], rooms: Mapping[str, Room], choosing: Collection[str]
    ) -> Mapping[str, Room]:
        """Return *rooms* with the messages, except *new*, that wait in *choosing* for the choice of an agent."""
        held = await self.intake_store.count_waiting(choosing, [each.event_id for each in new])
        return {room_id: replace(room, waiting=room.waiting + held.get(room_id, 0)) for room_id, room in rooms.items()}

    def _bounded(
        self, new: Sequence[NewTurn | ChangeRequest], rooms: Mapping[str, Room], known: Collection[str]
    ) -> list[NewTurn | ChangeRequest]:
        waiting = {room_id: room.waiting for room_id, room in rooms.items()}
        commands = Counter(
            {(room_id, sender): number for room_id, room in rooms.items() for sender, number in room.commands.items()}
        )
        bounded: list[NewTurn | ChangeRequest] = []
        for each in new:
            if isinstance(each, NewTurn) and each.event_id not in known:
                limit = 0
                if isinstance(each.payload, MessagePayload | EditPayload):
                    waiting[each.room_id] += len(each.addressees)
                    limit = self.max_queued if waiting[each.room_id] > self.max_queued else 0
                elif isinstance(each.payload, CommandPayload):
                    commands[each.room_id, each.sender] += 1
                    limit = _MAX_COMMANDS if commands[each.room_id, each.sender] > _MAX_COMMANDS else 0
                if limit:
                    bounded.append(self.rules.refused(each, _refusal(each.payload, each.thread, limit)))
                    continue
            elif isinstance(each, ChangeRequest) and each.kind is not ChangeKind.REDACT and each.event_id not in known:
                # Only the database knows whether the change needs a place: edits of waiting messages need none.
                bounded.append(replace(each, may_wait=waiting[each.room_id] < self.max_queued))
                waiting[each.room_id] += each.kind is ChangeKind.AGAIN
                continue
            bounded.append(each)
        return bounded

    def refusal(self, message: MessagePayload) -> RefusalPayload:
        """Return the reason that the room of the change with *message* is full."""
        return _refusal(message, "", self.max_queued)


def _refusal(payload: Payload, thread: str, limit: int) -> RefusalPayload:
    match payload:
        case MessagePayload(body=body, file=file):
            text = body or (file.name if file is not None else "")
        case EditPayload(message=MessagePayload(body=text)):
            pass
        case CommandPayload(body=body, thread=where):
            text, thread = body, where
        case _:
            raise TypeError(f"{type(payload).__name__} has no limit")
    excerpt = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
    return RefusalPayload(RefusalReason.FULL, thread, excerpt, limit)
