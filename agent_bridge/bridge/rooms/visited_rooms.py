"""Leaves the rooms of people that the bridge bot was invited to, once all people have left them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.core.errors import HomeserverError

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.rooms import Rooms

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks. A room without people does no harm: the homeserver only cannot delete it.
_EVERY = 3600.0


class VisitedRooms:
    """The rooms that belong to no agent: conversations with the bot, and groups."""

    def __init__(self, homeserver: Homeserver, rooms: Rooms) -> None:
        self._homeserver = homeserver
        self._rooms = rooms

    async def run(self) -> None:
        """Leave empty rooms at intervals, until cancelled."""
        await every(_EVERY, self.leave_empty, name="search for empty rooms")

    async def leave_empty(self) -> None:
        """Leave and forget each room without people, and forget each room that the bot is not in any more."""
        # In this order: the bot may join a room in between.
        visited = await self._rooms.visited()
        joined = set(await self._homeserver.joined_rooms())
        for room_id in visited:
            try:
                state = await self._homeserver.room_state(room_id) if room_id in joined else None
                if state is not None and not await self._left(state):
                    continue
            except HomeserverError as error:
                _log.info("an empty room cannot be left", room=room_id, error=str(error))
                continue
            await self._rooms.forget(room_id)

    async def _left(self, state: RoomState) -> bool:
        """Leave the room if nobody else is in it or invited; tell whether it was left."""
        is_ours = self._homeserver.namespace.is_ours
        users = state.members("join", "invite")
        if not all(is_ours(user) for user in users):
            return False
        _log.info("leaving an empty room", room=state.room_id)
        for user in sorted(users):
            await self._homeserver.leave(state.room_id, "", user)
            await self._homeserver.forget(state.room_id, user)
        return True
