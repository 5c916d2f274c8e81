"""The Space that lists the rooms. Rooms also work without it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.naming import rename_room
from agent_bridge.core.errors import HomeserverError, HomeserverRefused
from agent_bridge.matrix.rooms import RoomPlan, space_content
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.config.conversations import RoomsConfig, SpaceConfig
    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two attempts to create the Space.
_AGAIN = 10.0


class Space:
    """Creates the Space, or finds it by its alias."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        kv: KeyValues,
        config: SpaceConfig,
        rooms: RoomsConfig,
        powers: Mapping[str, int],
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._kv = kv
        self._config = config
        self._rooms = rooms
        self._powers = powers
        self._lock = asyncio.Lock()
        self._room_id: str | None = None
        self._not_before = 0.0

    async def room_id(self) -> str | None:
        """Return the room id of the Space, creating it if needed; None if it is disabled or its creation fails."""
        async with self._lock:
            if self._room_id is None and self._config.enabled and time.monotonic() >= self._not_before:
                try:
                    self._room_id = await self._reconcile()
                except HomeserverError as error:
                    self._not_before = time.monotonic() + _AGAIN
                    _log.error("the Space cannot be created, rooms are not listed", error=str(error))
            return self._room_id

    async def _reconcile(self) -> str:
        room_id = await self._kv.get(KeyValues.SPACE)
        if room_id is not None and await self._is_lost(room_id):
            _log.warning("the Space was deleted, creating a new one", room=room_id)
            room_id = None
            await self._kv.set(KeyValues.SPACE_INVITED, [])
        if room_id is None:
            plan = RoomPlan(
                alias=self._namespace.space_alias_localpart,
                name=self._config.name,
                topic=self._config.topic,
                creator=self._namespace.bot,
                lists_creator=await self._homeserver.lists_creator(self._rooms.version),
                powers=self._powers,
                version=self._rooms.version,
            )
            room_id = (await self._homeserver.create_room(space_content(plan))).room_id
            await self._kv.set(KeyValues.SPACE, room_id)
        await rename_room(self._homeserver, room_id, "name", self._config.name)
        await rename_room(self._homeserver, room_id, "topic", self._config.topic)
        await self._invite_people(room_id)
        return str(room_id)

    async def _is_lost(self, room_id: str) -> bool:
        """Tell whether the Space was deleted: the bot is no longer a member."""
        return room_id not in await self._homeserver.joined_rooms()

    async def _invite_people(self, room_id: str) -> None:
        invited: list[str] = await self._kv.get(KeyValues.SPACE_INVITED) or []
        for user_id in self._rooms.invite:
            if user_id in invited:
                continue
            try:
                await self._homeserver.invite(room_id, user_id)
            except HomeserverRefused as error:
                _log.warning("cannot invite", user=user_id, room=room_id, error=str(error))
            else:
                invited.append(user_id)
                await self._kv.set(KeyValues.SPACE_INVITED, invited)
