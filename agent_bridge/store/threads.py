"""Threads with names, in the table ``thread``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent_bridge.core.threads import Thread
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg.rows import DictRow

    from agent_bridge.core.threads import AgentMessage, NewThread, ThreadMessage
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("threads")


class ThreadStore:
    """Reads and writes threads. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lock(self, connection: Connection, room_id: str) -> bool:
        """Let nobody else add threads to a room until the transaction ends; tell whether the bridge knows the room."""
        return bool(await rows_of(connection, _SQL["lock"], {"room_id": room_id}))

    async def count(self, room_id: str, connection: Connection | None = None) -> tuple[int, int]:
        """Return the numbers of threads of a room: of those that are in use, and of those that are archived."""
        (row,) = await self._rows("count", {"room_id": room_id}, connection)
        return int(row["open"]), int(row["archived"])

    async def find(self, thread: int, connection: Connection | None = None) -> Thread | None:
        """Return the thread with row id *thread*."""
        return _first(await self._rows("find", {"id": thread, "root": None, "room_id": None}, connection))

    async def of_root(self, room_id: str, root: str, connection: Connection | None = None) -> Thread | None:
        """Return the thread that begins with the event *root* of a room; None: it has no name."""
        return _first(await self._rows("find", {"id": None, "root": root, "room_id": room_id}, connection))

    async def voice(self, room_id: str) -> str | None:
        """Return the localpart of the ghost that speaks for the bridge in a room; None: the bot does."""
        rows = await self._rows("voice", {"room_id": room_id}, None)
        return rows[0]["voice"] if rows else None

    async def listed(self, room_id: str, *, archived: bool, limit: int, offset: int) -> list[Thread]:
        """Return the threads of a room that are archived, or are not, the last used first."""
        values = {"room_id": room_id, "archived": archived, "limit": limit, "offset": offset}
        return [_thread(row) for row in await self._rows("listed", values, None)]

    async def add(self, connection: Connection, new: NewThread) -> int:
        """Write a thread of a room that the bridge knows; return its row id. The caller holds the lock."""
        values = {
            "room_id": new.room_id,
            "root": new.root,
            "name": new.name,
            "creator": new.creator,
            "key": new.key,
            "since": new.since,
        }
        return int((await rows_of(connection, _SQL["add"], values))[0]["id"])

    async def rename(self, connection: Connection, thread: Thread, name: str) -> None:
        """Give *thread* another name."""
        await connection.execute(_SQL["rename"], {"id": thread.id, "name": name})

    async def archive(self, connection: Connection, thread: Thread, key: str) -> bool:
        """Archive *thread* because of the request *key*; False: somebody wrote in it after the request."""
        return bool(await rows_of(connection, _SQL["archive"], {"id": thread.id, "key": key}))

    async def reopen(self, connection: Connection, thread: Thread) -> None:
        """Take *thread* out of the archive."""
        await connection.execute(_SQL["reopen"], {"id": thread.id})

    async def heard(self, connection: Connection, messages: Collection[ThreadMessage]) -> None:
        """Note *messages* within the caller's transaction: their threads are not archived any more."""
        if not messages:
            return
        values = {
            "rooms": [each.room_id for each in messages],
            "roots": [each.root for each in messages],
            "times": [each.said_at for each in messages],
        }
        await connection.execute(_SQL["heard"], values)

    async def said_by_agents(self, connection: Connection, messages: Collection[AgentMessage]) -> None:
        """Take the threads of *messages* out of the archive within the caller's transaction."""
        values = {
            "rooms": [each.room_id for each in messages],
            "roots": [each.root for each in messages],
            "targets": [each.target for each in messages],
            "times": [each.said_at for each in messages],
        }
        await connection.execute(_SQL["said_by_agents"], values)

    async def due(self, limit: int, others: Collection[int]) -> list[int]:
        """Return up to *limit* row ids of threads whose rooms do not show their names yet, but for *others*."""
        return [row["id"] for row in await self._rows("due", {"limit": limit, "others": list(others)}, None)]

    async def shown(self, thread: Thread, event_id: str | None) -> None:
        """Record that the room shows the name of *thread* by *event_id*; None: by the known event, or it refused to."""
        values = {"id": thread.id, "changes": thread.changes, "event": event_id}
        await self._database.execute(_SQL["shown"], values)

    async def _rows(self, statement: str, values: dict[str, Any], connection: Connection | None) -> list[DictRow]:
        if connection is None:
            return await self._database.rows(_SQL[statement], values)
        return await rows_of(connection, _SQL[statement], values)


def _first(rows: list[DictRow]) -> Thread | None:
    return _thread(rows[0]) if rows else None


def _thread(row: DictRow) -> Thread:
    found = row["thread"]
    return Thread(
        id=found["id"],
        key=found["key"],
        room_id=found["room_id"],
        root=found["root"],
        title_event=found["title_event"],
        name=found["name"],
        creator=found["creator"],
        archived_at=_time(found["archived_at"]),
        said_at=_time(found["said_at"]),
        created_at=datetime.fromisoformat(found["created_at"]),
        since=found["since"],
        voice=row["voice"],
        changes=found["changes"],
        changes_applied=found["changes_applied"],
    )


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
