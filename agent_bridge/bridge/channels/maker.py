"""Makes the rooms of servers and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.access import can_restrict, has_restricted
from agent_bridge.bridge.rooms.entry import create_or_replace, newest_by_people
from agent_bridge.bridge.rooms.power_levels import role_powers
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.ids import mark
from agent_bridge.core.servers import Channel, ChannelType, Server
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.rooms import (
    CHANNEL,
    OWNER_POWER,
    SERVER,
    RoomPlan,
    channel_content,
    channel_state,
    server_content,
    server_state,
)
from agent_bridge.render.content import message
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from typing import Any

    from agent_bridge.config.model import Config
    from agent_bridge.core.live import Live
    from agent_bridge.core.roles import RoleBook, Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.servers import Servers

_log = structlog.stdlib.get_logger(__name__)


class PlaceMaker:
    """Makes the room of a server or a channel that stands in the database."""

    def __init__(
        self, homeserver: Homeserver, servers: Servers, kv: KeyValues, config: Live[Config], roles: Roles, texts: Texts
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._servers = servers
        self._kv = kv
        self._config = config
        self._roles = roles
        self._texts = texts

    async def make(self, place: Server | Channel) -> str:
        """Return the room id of *place*; make the room if there is none. A repeat finds it by its alias.

        The Space lists it later: people need not wait.

        Raises:
            HomeserverError, StoreError: the room may exist; a repeat finds it.
        """
        if place.room_id is not None:
            return place.room_id
        bot, book = self._namespace.bot, self._roles.book
        content = await self._content(place, book)
        made = await create_or_replace(self._homeserver, content, bot)
        # The agents answer the messages from now on.
        seen = None if made.fresh else await newest_by_people(self._homeserver, made.room_id, bot)
        if isinstance(place, Channel) and place.type is ChannelType.VOICE:
            await self._say_reserved(place, made.room_id)
        await self._servers.made(place, made.room_id, roles=(book.version or None) if made.fresh else None, seen=seen)
        _log.info("room of a server or channel ready", name=place.name, room=made.room_id)
        return made.room_id

    async def _say_reserved(self, channel: Channel, room_id: str) -> None:
        """Tell a channel for voice that it is reserved, once: the homeserver swallows a repeat."""
        key = f"voice.{channel.key}"
        content = message(self._texts.servers.voice, mark=mark(key, 0), notice=True)
        await self._homeserver.send(room_id, content, txn_id=f"ab.{key}")

    def alias(self, place: Server | Channel) -> str:
        """Return the localpart of the alias of *place*."""
        if isinstance(place, Server):
            return self._namespace.server_alias_localpart(place.key)
        return self._namespace.channel_alias_localpart(place.key)

    async def mark(self, place: Server | Channel) -> tuple[str, dict[str, Any]]:
        """Return the state event by which a bridge that lost its database finds *place*: its type and its content."""
        if isinstance(place, Server):
            return SERVER, server_state(place.key, place.owner)
        server = await self._server_of(place)
        return CHANNEL, channel_state(place.type, place.key, "" if server is None else server.key)

    async def parent(self, place: Server | Channel) -> str | None:
        """Return the Space that lists *place*: that of its server, or the main one; None: there is no main one.

        Raises:
            HomeserverUnavailable: the Space of the server is not made yet.
        """
        if isinstance(place, Server) or place.server is None:
            return await self._kv.get(KeyValues.SPACE) if self._config.value.space.enabled else None
        server = await self._server_of(place)
        if server is None or server.room_id is None:
            raise HomeserverUnavailable(Text("homeserver_invalid"))
        return server.room_id

    def has_space(self) -> bool:
        """Tell whether there is to be a main Space."""
        return self._config.value.space.enabled

    async def basis(self) -> object:
        """Return the main Space and the settings that decide about rooms."""
        config, values = self._config.value, await self._kv.some(KeyValues.SPACE, KeyValues.SPACE_TRUSTED)
        return config.space.enabled, str(config.rooms.join_rule), config.rooms.version, sorted(values.items())

    async def is_open(self, place: Server | Channel, parent: str | None) -> bool:
        """Tell whether the members of the Space *parent* can enter *place*.

        Those of a server can enter its channels; those of the main Space, as they can enter the rooms of agents.
        """
        rooms = self._config.value.rooms
        if isinstance(place, Channel) and place.server is not None:
            return has_restricted(rooms)
        return parent is not None and can_restrict(rooms) and parent == await self._kv.get(KeyValues.SPACE_TRUSTED)

    async def _server_of(self, place: Server | Channel) -> Server | None:
        """Return the server that *place* is, or to which it belongs; None: a channel of the main Space."""
        if isinstance(place, Server) or place.server is None:
            return place if isinstance(place, Server) else None
        return await self._servers.server(place.server)

    async def _powers(self, place: Server | Channel, book: RoleBook) -> dict[str, int]:
        """Return the power levels of people in *place* by *book*, which may not have the roles of a new server yet."""
        server = await self._server_of(place)
        if server is None:
            return role_powers(book)
        is_new = server.number not in book.servers
        return role_powers(book.in_server(server.number)) | ({server.owner: OWNER_POWER} if is_new else {})

    async def _content(self, place: Server | Channel, book: RoleBook) -> dict[str, Any]:
        parent = await self.parent(place)
        version = self._config.value.rooms.version
        plan = RoomPlan(
            alias=self.alias(place),
            name=place.name,
            topic=place.topic,
            creator=self._namespace.bot,
            lists_creator=await self._homeserver.lists_creator(version),
            powers=await self._powers(place, book),
            version=version,
        )
        domain, restricted = self._namespace.domain, await self.is_open(place, parent)
        _, state = await self.mark(place)
        if isinstance(place, Server):
            return server_content(plan, state, space=parent, domain=domain, restricted=restricted)
        return channel_content(plan, place.type, state, space=parent, domain=domain, restricted=restricted)
