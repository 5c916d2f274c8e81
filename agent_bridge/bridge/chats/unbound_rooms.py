"""Rooms without an agent: the bridge bot enters them, and their waiting events follow an upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.rooms import HistoryCursor, KindName
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.rooms import Rooms

_log = structlog.stdlib.get_logger(__name__)


class UnboundRooms:
    """Records the rooms of people that the bridge bot has joined."""

    def __init__(
        self, homeserver: Homeserver, database: Database, rooms: Rooms, intake_store: IntakeStore, lanes: Lanes
    ) -> None:
        self._homeserver = homeserver
        self._database = database
        self._rooms = rooms
        self._intake_store = intake_store
        self._lanes = lanes

    async def enter(self, state: RoomState, kind: KindName, seen: str) -> HistoryCursor:
        """Record the room of *state*, which has its creation, as :meth:`Rooms.enter` does; return the cursor.

        If it replaces a room without an agent, and has none either, the events that wait there go on to wait here,
        ahead of those of this room. A repeat changes nothing.

        Raises:
            HomeserverError, StoreError: nothing is recorded.
        """
        room_id = state.room_id
        old = await self._replaced(state)
        async with self._database.transaction() as connection:
            # People cannot choose an agent in the room before it is recorded: nothing overtakes the waiting events.
            await self._intake_store.lock(connection, [room_id] if old is None else [old, room_id])
            cursor = await self._rooms.enter(room_id, kind, seen, connection)
            moved = set() if old is None else await self._intake_store.move_waiting(connection, old, room_id)
            await self._lanes.wake(connection, moved)
        if moved:
            _log.info("messages wait in the room that replaces theirs", room=room_id, replaces=old)
        return cursor

    async def _replaced(self, state: RoomState) -> str | None:
        """Return the room that *state* names as its predecessor, if a person has replaced that by this one."""
        known = {} if state.predecessor is None else await self._rooms.contexts([state.predecessor])
        for old in known.values():
            if old.is_unbound:
                # The room that was upgraded tells: anyone can name it as a predecessor.
                before = await self._homeserver.room_state(old.room_id)
                return old.room_id if before is not None and before.replacement == state.room_id else None
        return None
