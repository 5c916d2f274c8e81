"""Servers and channels, in the tables ``room``, ``server``, ``server_role`` and ``channel``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.servers import Channel, ChannelType, PlaceStatus, Server
from agent_bridge.store.corruption import read_one, readable
from agent_bridge.store.payloads import encode_step
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg.rows import DictRow

    from agent_bridge.core.roles import Role
    from agent_bridge.core.servers import FoundPlace, NewPlace, Place
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("servers")


@dataclass(frozen=True, slots=True)
class PlaceGhost:
    """The ghost of an agent that takes part in a channel."""

    #: Row id.
    agent: int
    #: Localpart.
    ghost: str
    is_retired: bool
    #: Whether it is outside because of that.
    rests: bool


@dataclass(frozen=True, slots=True)
class PlaceRoom:
    """The room of a server or a channel."""

    #: Row id.
    id: int
    name: str
    room_id: str
    is_server: bool


class Servers:
    """Reads and writes servers and channels. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lock(self, connection: Connection) -> None:
        """Let nobody else add, rename or move servers and channels until the transaction ends."""
        await connection.execute(_SQL["lock"])

    async def add_server(self, connection: Connection, new: NewPlace, owner: str) -> int:
        """Write a server of *owner* within the caller's transaction; return its row id.

        The caller writes a new book of roles: the owner has the role in the server.
        """
        values = {"key": new.key, "name": new.name, "topic": new.topic, "owner": owner}
        return int((await rows_of(connection, _SQL["add_server"], values))[0]["number"])

    async def add_channel(self, connection: Connection, new: NewPlace, server: int | None, type_: ChannelType) -> int:
        """Write a channel of *server* (a row id; None: of the main Space) behind the others; return the id of its room.

        The caller holds the lock.
        """
        values = {"key": new.key, "name": new.name, "topic": new.topic, "server": server, "type": type_}
        return int((await rows_of(connection, _SQL["add_channel"], values))[0]["id"])

    async def servers(self, connection: Connection | None = None) -> list[Server]:
        """Return the servers, in the order of their making."""
        values = {"room": None, "number": None}
        return readable("room", await self._rows("servers", values, connection), _id, _server)

    async def server(self, number: int, connection: Connection | None = None) -> Server | None:
        """Return the server with row id *number*, also one that is being deleted; None if there is none."""
        rows = await self._rows("servers", {"room": None, "number": number}, connection)
        return _server(rows[0]) if rows else None

    async def channels(self, server: int | None, connection: Connection | None = None) -> list[Channel]:
        """Return the channels of a server (a row id; None: of the main Space), in their order."""
        return readable("room", await self._rows("channels", {"server": server}, connection), _id, _channel)

    async def by_server(self) -> dict[int | None, list[Channel]]:
        """Return all channels in their order, by the row ids of their servers; None: the main Space."""
        found: dict[int | None, list[Channel]] = {}
        for each in readable("room", await self._rows("every_channel", {}, None), _id, _channel):
            found.setdefault(each.server, []).append(each)
        return found

    async def has_channels(self, server: Server) -> bool:
        """Tell whether *server* has a channel, also one that is being deleted."""
        return await self._database.row(_SQL["has_channels"], {"number": server.number}) is not None

    async def find(self, place: int) -> Server | Channel | None:
        """Return the server or the channel whose room has the row id *place*, also one that is being deleted."""
        return _place(await self._database.row(_SQL["find"], {"id": place, "room_id": None}))

    async def in_room(self, room_id: str) -> Server | Channel | None:
        """Return the server or the channel whose room is *room_id*; None if that is the room of none."""
        return _place(await self._database.row(_SQL["find"], {"id": None, "room_id": room_id}))

    async def due(self, limit: int, others: Collection[int]) -> list[int]:
        """Return up to *limit* row ids of rooms to compare with the homeserver, but for *others*: servers first."""
        rows = await self._database.rows(_SQL["due"], {"limit": limit, "others": list(others)})
        return [row["id"] for row in rows]

    async def made(self, place: Place, room_id: str, *, roles: int | None, seen: str | None) -> None:
        """Record the room of *place*, made by the book *roles*; None: it was found, with the events up to *seen*."""
        is_new = roles is not None
        values = {
            "id": place.id,
            "room_id": room_id,
            "name": place.name if is_new else None,
            "topic": place.topic if is_new else None,
            "roles": roles,
            "seen": seen,
        }
        await self._database.execute(_SQL["made"], values)

    async def entered(self, place: Place) -> None:
        """Record that the bot is in the room of *place*."""
        await self._database.execute(_SQL["entered"], {"id": place.id})

    async def named(self, place: Place, name: str, topic: str) -> None:
        """Record the *name* and the *topic* that the room of *place* has: people may have chosen them."""
        values = {"id": place.id, "name": name, "topic": topic, "old_name": place.name, "old_topic": place.topic}
        await self._database.execute(_SQL["named"], values)

    async def pictured(self, server: Server, icon: str | None) -> None:
        """Record the picture that the Space of *server* has: people may have chosen it."""
        values = {"id": server.id, "number": server.number, "icon": icon, "old": server.icon}
        await self._database.execute(_SQL["pictured"], values)

    async def listed(self, place: Place, space: str | None) -> None:
        """Record the Space that lists the room of *place*; None: none does."""
        await self._database.execute(_SQL["listed"], {"id": place.id, "space": space})

    async def opened(self, place: Place, join_rule: str) -> None:
        """Record the join rule that the room of *place* was given."""
        await self._database.execute(_SQL["opened"], {"id": place.id, "join_rule": join_rule})

    async def applied(self, place: Place) -> None:
        """Record that the homeserver has the state of *place*, or refused it."""
        await self._database.execute(_SQL["applied"], {"id": place.id, "changes": place.changes})

    async def change(
        self, connection: Connection, place: int, *, name: str | None = None, topic: str | None = None
    ) -> None:
        """Give the server or the channel with the room *place* another name or topic; None: it stays."""
        await connection.execute(_SQL["change"], {"id": place, "name": name, "topic": topic})

    async def set_icon(self, connection: Connection, server: Server, icon: str | None) -> None:
        """Give *server* a picture (an mxc URI; None: none)."""
        await connection.execute(_SQL["set_icon"], {"number": server.number, "icon": icon})
        await self.change(connection, server.id)

    async def move(self, connection: Connection, channel: int, position: int) -> None:
        """Give a channel the place *position*, from 1, among those of its server. The caller holds the lock."""
        await connection.execute(_SQL["move"], {"id": channel, "position": position})

    async def delete(self, connection: Connection, place: int, key: str) -> tuple[list[int], set[int]]:
        """Have a channel, or a server with its channels, deleted.

        Return the row ids of the rooms, and the lanes whose turns end. The turn *key*, which asks for it, does not end.
        """
        rows = await rows_of(connection, _SQL["delete"], {"id": place, "key": key})
        return [row["id"] for row in rows], {lane for row in rows for lane in row["lanes"]}

    async def deletion_requested(self, place: Place, ref: str) -> None:
        """Record the name of the deletion of a room on the homeserver."""
        await self._database.execute(_SQL["deletion_requested"], {"id": place.id, "ref": ref})

    async def forget(self, place: Place, why: str) -> None:
        """Forget *place*, whose room does not exist any more, and close its open turns because of *why*."""
        values = {"id": place.id, "why": why, "step": encode_step("failed", parts=0, error=why)}
        await self._database.execute(_SQL["forget"], values)

    async def lost(self, place: Place) -> None:
        """Have the room of *place* made again."""
        await self._database.execute(_SQL["lost"], {"id": place.id, "room_id": place.room_id})

    async def by_key(self, connection: Connection, key: str) -> int | None:
        """Return the row id of the server with *key*."""
        rows = await rows_of(connection, _SQL["by_key"], {"key": key})
        return int(rows[0]["number"]) if rows else None

    async def adopt_server(self, connection: Connection, found: FoundPlace, owner: str, icon: str | None) -> int:
        """Write a server of *owner* whose room was found; return its row id. The caller holds the lock.

        The caller writes a new book of roles: the owner has the role in the server.
        """
        values = asdict(found) | {"owner": owner, "icon": icon}
        return int((await rows_of(connection, _SQL["adopt_server"], values))[0]["number"])

    async def adopt_channel(
        self, connection: Connection, found: FoundPlace, server: int | None, type_: ChannelType, position: int
    ) -> bool:
        """Write a channel of *server* (None: of the main Space) whose room was found; False: it is known."""
        values = asdict(found) | {"server": server, "type": type_, "position": position}
        return bool(await rows_of(connection, _SQL["adopt_channel"], values))

    async def return_ghost(self, ghost: str, rooms: Collection[str]) -> None:
        """Have the agent of *ghost* (a localpart) take part in those of *rooms* that are channels."""
        await self._database.execute(_SQL["return_ghost"], {"ghost": ghost, "rooms": list(rooms)})

    async def with_rooms(self) -> list[PlaceRoom]:
        """Return the servers and channels that have rooms, the servers first."""
        return [PlaceRoom(**row) for row in await self._database.rows(_SQL["with_rooms"])]

    async def pending(self) -> list[str]:
        """Return the names of servers and channels that are to be made, changed or deleted."""
        return [row["name"] for row in await self._database.rows(_SQL["pending"])]

    async def ghosts(self, place: Place) -> list[PlaceGhost]:
        """Return the ghosts that take part in *place*, as they came, also those whose agents are retired."""
        return [PlaceGhost(**row) for row in await self._database.rows(_SQL["ghosts"], {"id": place.id})]

    async def rests(self, place: Place, ghost: PlaceGhost, *, rests: bool) -> None:
        """Record that a ghost is outside of *place* while its agent is retired, or is back in it."""
        await self._database.execute(_SQL["rests"], {"id": place.id, "agent": ghost.agent, "rests": rests})

    async def take_part(self, channel: int, agent: int) -> None:
        """Record that the ghost of an agent is in a channel."""
        await self._database.execute(_SQL["take_part"], {"id": channel, "agent": agent})

    async def takes_part(self, agent: int, server: int) -> bool:
        """Tell whether the ghost of an agent is in a channel of *server* (row ids)."""
        return await self._database.row(_SQL["takes_part"], {"agent": agent, "server": server}) is not None

    async def left(self, channel: Channel, ghosts: Collection[str], why: str) -> None:
        """Record that *ghosts* (localparts) are not in *channel* any more; their turns fail because of *why*."""
        step = encode_step("failed", parts=0, error=why)
        await self._database.execute(_SQL["left"], {"id": channel.id, "ghosts": list(ghosts), "why": why, "step": step})

    async def give_role(self, connection: Connection, server: int, user: str, role: Role | None, by: str) -> None:
        """Record the *role* of a user in a server; None: that of all other rooms counts there.

        The caller writes a new book of roles.
        """
        values = {"number": server, "user_id": user, "role": None if role is None else role.name.lower(), "by": by}
        await connection.execute(_SQL["withdraw_role" if role is None else "give_role"], values)

    async def _rows(self, statement: str, values: dict[str, Any], connection: Connection | None) -> list[DictRow]:
        if connection is None:
            return await self._database.rows(_SQL[statement], values)
        return await rows_of(connection, _SQL[statement], values)


def _id(row: DictRow) -> int:
    return int(row["room"]["id"])


def _place(row: DictRow | None) -> Server | Channel | None:
    if row is None:
        return None
    return read_one("room", _id(row), lambda: _server(row) if row["number"] is not None else _channel(row))


def _common(room: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": room["id"],
        "room_id": room["room_id"],
        "key": room["request_key"],
        "name": room["name"],
        "topic": room["topic"],
        "name_applied": room["name_applied"],
        "topic_applied": room["topic_applied"],
        "join_rule_applied": room["join_rule_applied"],
        "bot_joined": room["bot_joined"],
        "space": room["space"],
        "status": PlaceStatus(room["status"]),
        "delete_ref": room["delete_ref"],
        "warned": room["warned"],
        "changes": room["changes"],
        "changes_applied": room["changes_applied"],
    }


def _server(row: DictRow) -> Server:
    return Server(
        **_common(row["room"]),
        number=row["number"],
        owner=row["owner"],
        icon=row["icon"],
        icon_applied=row["room"]["avatar_applied"],
    )


def _channel(row: DictRow) -> Channel:
    return Channel(
        **_common(row["room"]), server=row["server"], type=ChannelType(row["type"]), position=row["position"]
    )
