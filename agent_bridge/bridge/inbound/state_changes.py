"""Events of state have rooms compared with the homeserver."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.roles import RoleStore
    from agent_bridge.store.rooms import Rooms


class StateChanges:
    """Notes the changes of rooms, chats, places, groups and their people."""

    def __init__(self, rooms: Rooms, chats: Chats, roles: RoleStore, rules: Rules) -> None:
        self._rooms = rooms
        self._chats = chats
        self._roles = roles
        self._rules = rules

    async def note(self, events: Sequence[RoomEvent]) -> None:
        """Note what the state *events* change, before the messages behind them: lanes wait until rooms are compared.

        Raises:
            StoreError: a repeat notes it again.
        """
        if changed := {event.room_id for event in events if self._rules.changes_room(event)}:
            await self._rooms.request_checks(changed)
        changed_chats = {event.room_id for event in events if self._rules.changes_chat(event)}
        entered = {event.room_id for event in events if self._rules.enters(event)}
        if changed_chats or entered:
            await self._chats.note_changes(changed_chats, entered=entered)
        if changed_places := {event.room_id for event in events if self._rules.changes_place(event)}:
            await self._rooms.note_place_changes(changed_places)
        if changed_groups := {event.room_id for event in events if self._rules.changes_group(event)}:
            await self._rooms.note_group_changes(changed_groups)
        if gaining := {event.room_id for event in events if self._rules.gains_level(event)}:
            await self._roles.note_levels_due(gaining)
        out = [(event.room_id, ghost) for event in events if (ghost := self._rules.removed_ghost(event)) is not None]
        if out:
            await self._rooms.guests_left(out)
