"""Servers and channels are made, changed and deleted: for commands and for programs, by the same rules.

A method that takes a connection works within the caller's transaction, which decides that it happens once. The rooms
follow the rows (:mod:`.reconciler`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.core.names import folded, one_line
from agent_bridge.core.permissions import CAN, Permission
from agent_bridge.core.results.servers import PlaceProblem, PlaceRefused, ServerField
from agent_bridge.core.roles import Role
from agent_bridge.core.servers import NewPlace, PlaceStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.servers import Channel, ChannelType, Server
    from agent_bridge.store.operations import OperationStore
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.roles import RoleStore
    from agent_bridge.store.servers import Servers

#: Servers of a bridge, and channels of a server.
MOST_SERVERS, MOST_CHANNELS = 100, 200
#: Characters of a name, and of a topic or a description.
LONGEST_NAME, LONGEST_TOPIC = 80, 500
#: Between the name of a server and that of a channel.
SLASH = "/"
_ICON = re.compile(r"mxc://[^\s/]+/[^\s/]+")


class PlaceChanges:
    """Changes servers and channels. Every method raises :class:`StoreError`."""

    def __init__(
        self, servers: Servers, role_store: RoleStore, roles: Roles, lanes: Lanes, operations: OperationStore
    ) -> None:
        self._servers = servers
        self._role_store = role_store
        self._roles = roles
        self._lanes = lanes
        self._operations = operations

    def role(self, user: str, server: Server | None) -> Role:
        """Return the role of a person in *server*; None: in the main Space. The owner of a server is its owner."""
        if server is None:
            return self._roles.of(user)
        # This process may not have read the roles of a new server yet.
        is_new = server.number not in self._roles.book.servers
        return (
            Role.OWNER if is_new and server.owner == user else self._roles.book.in_server(server.number).role_of(user)
        )

    def may(self, user: str, permission: Permission, server: Server | None) -> bool:
        """Tell whether a person has *permission* in *server*; None: in the main Space."""
        return permission in CAN[self.role(user, server)]

    def may_delete(self, user: str, server: Server) -> bool:
        """Tell whether a person may delete *server*: its owner, and the owners of the bridge."""
        return self.may(user, Permission.OWN, server) or Permission.OWN in CAN[self._roles.of(user)]

    async def new_server(
        self, connection: Connection, key: str, owner: str, text: str, topic: str = ""
    ) -> int | PlaceRefused:
        """Write a server called *text*; return its row id. *key* names the request."""
        await self._servers.lock(connection)
        known = await self._servers.servers(connection)
        name = checked_name(text, known)
        if isinstance(name, PlaceRefused):
            return name
        if len(known) >= MOST_SERVERS:
            return PlaceRefused(PlaceProblem.TOO_MANY_SERVERS, name, MOST_SERVERS)
        book = await self._role_store.lock(connection) or self._roles.book
        number = await self._servers.add_server(connection, NewPlace(key, name, _topic(topic)), owner)
        await self._role_store.renew(connection, book)
        return number

    async def new_channel(
        self, connection: Connection, key: str, server: Server | None, text: str, type_: ChannelType, topic: str = ""
    ) -> int | PlaceRefused:
        """Write a channel of *server* (None: of the main Space) called *text*; return the row id of its room."""
        await self._servers.lock(connection)
        number = None if server is None else server.number
        if server is not None:
            present = await self._servers.server(server.number, connection)
            if present is None or present.status is PlaceStatus.DELETING:
                return PlaceRefused(PlaceProblem.NO_SERVER, server.name)
        known = await self._servers.channels(number, connection)
        name = checked_name(text, known)
        if isinstance(name, PlaceRefused):
            return name
        if len(known) >= MOST_CHANNELS:
            return PlaceRefused(PlaceProblem.TOO_MANY_CHANNELS, name, MOST_CHANNELS)
        return await self._servers.add_channel(connection, NewPlace(key, name, _topic(topic)), number, type_)

    async def update_server(
        self, connection: Connection, server: Server, field: ServerField, value: str
    ) -> str | PlaceRefused:
        """Give *server* another property; return its value. Without one, the description or the icon goes."""
        if field is ServerField.ICON and value and _ICON.fullmatch(value) is None:
            return PlaceRefused(PlaceProblem.BAD_ICON, value)
        await self._servers.lock(connection)
        if field is ServerField.NAME:
            others = [each for each in await self._servers.servers(connection) if each.number != server.number]
            name = checked_name(value, others)
            if not isinstance(name, PlaceRefused):
                await self._servers.change(connection, server.id, name=name)
            return name
        text = _topic(value)
        if field is ServerField.DESCRIPTION:
            await self._servers.change(connection, server.id, topic=text)
        else:
            await self._servers.set_icon(connection, server, value or None)
        return text

    async def rename(self, connection: Connection, channel: Channel, text: str) -> str | PlaceRefused:
        """Give *channel* another name; return it."""
        await self._servers.lock(connection)
        others = [each for each in await self._servers.channels(channel.server, connection) if each.id != channel.id]
        name = checked_name(text, others)
        if not isinstance(name, PlaceRefused):
            await self._servers.change(connection, channel.id, name=name)
        return name

    async def set_topic(self, connection: Connection, channel: Channel, text: str) -> str:
        """Give *channel* another topic; return it."""
        topic = _topic(text)
        await self._servers.change(connection, channel.id, topic=topic)
        return topic

    async def move(self, connection: Connection, channel: Channel, position: int) -> PlaceRefused | None:
        """Give *channel* the place *position*, from 1, among those of its server; return why not, or None."""
        await self._servers.lock(connection)
        most = len(await self._servers.channels(channel.server, connection))
        if not 1 <= position <= most:
            return PlaceRefused(PlaceProblem.BAD_POSITION, str(position), most)
        await self._servers.move(connection, channel.id, position)
        return None

    async def delete(
        self, connection: Connection, place: Server | Channel, key: str, by: str, turn: int | None = None
    ) -> None:
        """Have a server or a channel deleted because *by* asks for it. *key*: the turn that asks for it goes on.

        An operation tells how far it is, in the answer to the command *turn* if there is one.
        """
        # Nobody adds a channel to a server that goes.
        await self._servers.lock(connection)
        rooms, lanes = await self._servers.delete(connection, place.id, key)
        await self._operations.request_deletion(connection, key, rooms, place.name, by=by, turn=turn)
        await self._lanes.wake(connection, lanes)


def checked_name(text: str, taken: Sequence[Server | Channel]) -> str | PlaceRefused:
    """Return the name of a new place, which is none of *taken*, or why *text* cannot be one."""
    name = one_line(text).removeprefix("#").strip()
    if not name:
        return PlaceRefused(PlaceProblem.NO_NAME)
    if len(name) > LONGEST_NAME or SLASH in name or name.isdecimal():
        return PlaceRefused(PlaceProblem.BAD_NAME, name[:LONGEST_NAME], LONGEST_NAME)
    if any(folded(each.name) == folded(name) for each in taken):
        return PlaceRefused(PlaceProblem.TAKEN, name)
    return name


def _topic(text: str) -> str:
    return one_line(text)[:LONGEST_TOPIC]
