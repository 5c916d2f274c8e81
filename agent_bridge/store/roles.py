"""Books of roles, the roles that people gave, and the books that rooms have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.core.roles import Assignment, Mutes, Role, RoleBook
from agent_bridge.core.rooms import KindName
from agent_bridge.store.corruption import readable
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("roles")


@dataclass(frozen=True, slots=True)
class DueRoom:
    """A room of the bridge that is behind the newest book, or whose levels are to be compared again."""

    #: Row id.
    id: int
    room_id: str
    kind: KindName
    #: Version of the book that its levels and members have; None: they are of an earlier program.
    applied: int | None
    #: Localpart of the ghost that owns it; None: the room is the bot's.
    ghost: str | None
    #: Row id of its server; None: that of no server.
    server: int | None = None


@dataclass(frozen=True, slots=True)
class PersonRoom:
    """A room that the bridge made for one person."""

    room_id: str
    #: Localpart of the ghost in it; None: the Space of the person.
    ghost: str | None


@dataclass(frozen=True, slots=True)
class CurrentRoles:
    """The roles and mutes that count now."""

    #: The newest book; None: there is none that can be read.
    book: RoleBook | None
    mutes: Mutes
    #: Row ids of servers, by the room ids of their rooms.
    servers: Mapping[str, int]
    #: Whether a program may subscribe to the feed.
    is_fed: bool = False
    #: Room ids of the rooms that have archived threads.
    archived: frozenset[str] = frozenset()


class RoleStore:
    """Reads and writes books of roles."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self) -> CurrentRoles:
        """Return the newest book, the mutes that last, the rooms of servers, and the switches of features."""
        row = await self._database.row(_SQL["current"])
        if row is None:
            return CurrentRoles(None, Mutes(), {})
        book = None if row["version"] is None else _readable_book(row)
        ends = {(room, user): _time(until) for room, user, until in row["mutes"]}
        return CurrentRoles(book, Mutes(ends), row["rooms"], row["is_fed"], frozenset(row["archived"]))

    async def book(self, version: int) -> RoleBook | None:
        """Return a book; None if it was deleted, or cannot be read."""
        row = await self._database.row(_SQL["book"], {"version": version})
        return None if row is None else _readable_book(row)

    async def publish(self, permissions: Mapping[str, Role]) -> None:
        """Write a book with *permissions*, unless the newest one has them."""
        async with self._database.transaction() as connection:
            newest = await self.lock(connection)
            if newest is None or list(newest.permissions.items()) != list(permissions.items()):
                await self._add(connection, permissions)

    async def lock(self, connection: Connection) -> RoleBook | None:
        """Return the newest book; None: none that can be read. Nobody else writes one in this transaction."""
        await connection.execute(_SQL["lock"])
        rows = await rows_of(connection, _SQL["newest"])
        return _readable_book(rows[0]) if rows else None

    async def give(self, connection: Connection, book: RoleBook, user: str, role: Role | None, by: str) -> RoleBook:
        """Write a book in which *user* has *role*, and return it; None: the one of the configuration.

        *book* is the newest one, as :meth:`lock` returned it within the same transaction. All processes are signalled.
        """
        if role is None:
            await connection.execute(_SQL["withdraw"], {"user_id": user})
        else:
            await connection.execute(_SQL["assign"], {"user_id": user, "role": _word(role), "by": by})
        return await self._add(connection, book.permissions)

    async def renew(self, connection: Connection, book: RoleBook) -> RoleBook:
        """Write a book with the roles that servers give now, and return it. *book* is that of :meth:`lock`."""
        return await self._add(connection, book.permissions)

    async def _add(self, connection: Connection, permissions: Mapping[str, Role]) -> RoleBook:
        pairs = Jsonb([[key, _word(role)] for key, role in permissions.items()])
        return _book((await rows_of(connection, _SQL["add"], {"permissions": pairs}))[0])

    async def due(self, version: int, others: Collection[int], limit: int, *, lobby: bool) -> list[DueRoom]:
        """Return up to *limit* rooms that are behind the book *version*, but for those with the row ids *others*.

        *lobby*: the bridge made the lobby, so its levels are those of roles.
        """
        values = {"version": version, "others": list(others), "limit": limit, "lobby": lobby}
        rows = await self._database.rows(_SQL["due"], values)
        return [DueRoom(**{**row, "kind": KindName(row["kind"])}) for row in rows]

    async def count_due(self, version: int, others: Collection[int], *, lobby: bool) -> int:
        """Return the number of all rooms that :meth:`due` returns without a limit."""
        values = {"version": version, "others": list(others), "lobby": lobby}
        row = await self._database.row(_SQL["count_due"], values)
        return 0 if row is None else int(row["left"])

    async def compared(self, room: int, version: int, *, is_refused: bool) -> None:
        """Record that the room with row id *room* was compared with the book *version*.

        *is_refused*: a change was refused, so the room keeps the book that it had.
        """
        await self._database.execute(_SQL["compared"], {"room": room, "version": version, "is_refused": is_refused})

    async def note_levels_due(self, room_ids: Collection[str]) -> None:
        """Have the levels of rooms compared that a user entered whose role comes from a pattern or a domain."""
        await self._database.execute(_SQL["note_levels_due"], {"rooms": list(room_ids)})

    async def persons(self, version: int) -> list[tuple[str, int | None]]:
        """Return the people with own rooms that are behind the book *version*, and the books that these rooms have."""
        rows = await self._database.rows(_SQL["persons"], {"version": version})
        return [(row["person"], row["applied"]) for row in rows]

    async def persons_compared(self, version: int, others: Collection[str] = ()) -> None:
        """Record that own rooms of people have the members by the book *version*, but for those of *others*."""
        await self._database.execute(_SQL["persons_compared"], {"version": version, "others": list(others)})

    async def rooms_of(self, person: str) -> list[PersonRoom]:
        """Return the rooms that the bridge made for *person*: chats, direct chats, the own Space."""
        return [PersonRoom(**row) for row in await self._database.rows(_SQL["rooms_of"], {"person": person})]

    async def bot_rooms(self, user: str) -> list[str]:
        """Return the chats with the bot in which *user* has given commands, without the room of the administrators."""
        return [row["room_id"] for row in await self._database.rows(_SQL["bot_rooms"], {"user_id": user})]

    async def archive(self, person: str) -> None:
        """Put the chats of *person* away, who may not enter them any more."""
        await self._database.execute(_SQL["archive"], {"person": person})

    async def drop(
        self, connection: Connection, user: str, room_id: str | None = None, event_id: str | None = None
    ) -> list[int]:
        """End the open turns of *user* within the caller's transaction, as 🛑 does; return one lane for each.

        *room_id* None: in all rooms. *event_id*: the event that asked for it.
        """
        values = {"user_id": user, "room_id": room_id, "event_id": event_id}
        return [row["conversation"] for row in await rows_of(connection, _SQL["drop"], values)]

    async def prune(self, kept: Collection[int]) -> None:
        """Delete the books that no room has, but for the newest one and *kept*."""
        await self._database.execute(_SQL["prune"], {"kept": list(kept)})


def _readable_book(row: DictRow) -> RoleBook | None:
    """Return the book of a row; None if it cannot be read."""
    return next(iter(readable("role_book", [row], itemgetter("version"), _book)), None)


def _book(row: DictRow) -> RoleBook:
    """Return the book of a row. A role that this program does not know is none."""
    permissions: list[list[str]] = row["permissions"]
    servers: dict[str, dict[str, list[Any]]] = row["servers"]
    given = {int(server): _assignments(roles, is_of_server=True) for server, roles in servers.items()}
    return RoleBook(
        {key: _role(role) for key, role in permissions}, _assignments(row["assigned"]), row["version"], given
    )


def _assignments(given: Mapping[str, list[Any]], *, is_of_server: bool = False) -> dict[str, Assignment]:
    return {
        user: Assignment(_role(role), by, datetime.fromisoformat(at), is_of_server)
        for user, (role, by, at) in given.items()
    }


def _word(role: Role) -> str:
    return role.name.lower()


def _role(word: str) -> Role:
    return Role.__members__.get(word.upper(), Role.NONE)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
