"""Servers and channels that an empty or restored database lacks, by the state of their rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.rooms.entry import newest_by_people
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.names import one_line
from agent_bridge.core.servers import ChannelType, FoundPlace
from agent_bridge.matrix.rooms import CHANNEL, CHILD, PARENT, SERVER

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.roles import RoleStore
    from agent_bridge.store.servers import Servers

_log = structlog.stdlib.get_logger(__name__)

#: The place of a channel that its Space does not list.
_LAST = 99_999


class LostPlaces:
    """Adopts rooms in which the bot has set the state event of a server or of a channel: nobody else can set that."""

    def __init__(
        self, homeserver: Homeserver, database: Database, servers: Servers, role_store: RoleStore, roles: Roles
    ) -> None:
        self._homeserver = homeserver
        self._bot = homeserver.namespace.bot
        self._database = database
        self._servers = servers
        self._role_store = role_store
        self._roles = roles

    async def adopt(self, state: RoomState) -> bool:
        """Write the server or the channel of *state*, which the database lacks; tell whether the room is one.

        The server of a channel is written before it. The messages that people have sent so far were for an earlier
        bridge, and are not answered. The agents of a channel come by :meth:`take_part`.

        Raises:
            HomeserverError, StoreError: a repeat continues.
        """
        if (server := self._mark(state, SERVER)) is not None and state.is_space:
            return await self._adopt_server(state, server) is not None
        mark = self._mark(state, CHANNEL)
        if mark is None or mark.get("type") not in set(ChannelType):
            return False
        number, position = await self._place_of(state, str(mark.get("server") or ""))
        found = await self._found(state, str(mark["key"]))
        async with self._database.transaction() as connection:
            await self._servers.lock(connection)
            is_new = await self._servers.adopt_channel(connection, found, number, ChannelType(mark["type"]), position)
        if is_new:
            _log.warning("a channel is found again", room=state.room_id, name=found.name)
        return True

    async def take_part(self, ghost: str, rooms: Collection[str]) -> None:
        """Have the agent of *ghost* (a localpart), which is in *rooms*, take part in those of them that are channels.

        Raises:
            StoreError: a repeat continues.
        """
        await self._servers.return_ghost(ghost, rooms)

    def _mark(self, state: RoomState, kind: str) -> dict[str, Any] | None:
        content = state.content(kind)
        is_valid = isinstance(content.get("key"), str) and content["key"] != ""
        return dict(content) if is_valid and state.sender(kind) == self._bot else None

    async def _place_of(self, state: RoomState, key: str) -> tuple[int | None, int]:
        """Return the row id of the server of a channel (None: the main Space), and its place there."""
        number, position = None, _LAST
        for kind, room_id in state.events:
            if kind != PARENT or state.sender(PARENT, room_id) != self._bot or not state.content(PARENT, room_id):
                continue
            parent = await self._homeserver.room_state(room_id)
            if parent is None or parent.replacement is not None:
                continue
            mark = self._mark(parent, SERVER)
            if key and (mark is None or mark["key"] != key):
                continue
            order = parent.content(CHILD, state.room_id).get("order")
            if isinstance(order, str) and order.strip().isdecimal() and len(order) < len(str(_LAST)) + 2:
                position = max(1, int(order))
            if key and mark is not None:
                number = await self._adopt_server(parent, mark)
        return number, position

    async def _adopt_server(self, state: RoomState, mark: dict[str, Any]) -> int | None:
        """Write the server of *state* unless it is known; return its row id, None for a mark without an owner."""
        owner = mark.get("owner")
        try:
            parse_user_id(str(owner))
        except ValueError:
            return None
        icon = state.content("m.room.avatar").get("url")
        found = await self._found(state, str(mark["key"]))
        async with self._database.transaction() as connection:
            await self._servers.lock(connection)
            known = await self._servers.by_key(connection, found.key)
            if known is not None:
                return known
            book = await self._role_store.lock(connection) or self._roles.book
            number = await self._servers.adopt_server(
                connection, found, str(owner), icon if isinstance(icon, str) else None
            )
            await self._role_store.renew(connection, book)
        _log.warning("a server is found again", room=state.room_id, name=found.name)
        return number

    async def _found(self, state: RoomState, key: str) -> FoundPlace:
        name, topic = state.content("m.room.name").get("name"), state.content("m.room.topic").get("topic")
        return FoundPlace(
            key=key,
            room_id=state.room_id,
            name=(one_line(name) if isinstance(name, str) else "") or key,
            topic=topic if isinstance(topic, str) else "",
            seen=await newest_by_people(self._homeserver, state.room_id, self._bot),
        )
