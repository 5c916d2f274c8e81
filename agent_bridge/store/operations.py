"""Operations: the table ``operation``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from agent_bridge.core.errors import StoreError
from agent_bridge.core.operations import DELETE, Notice, Operation, OperationEntry, OperationState
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from psycopg.rows import DictRow

    from agent_bridge.core.operations import Progress
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("operations")


class OperationStore:
    """Operations. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def request(
        self,
        connection: Connection,
        kind: str,
        key: str,
        params: Mapping[str, Any],
        *,
        by: str = "",
        turn: int | None = None,
    ) -> int:
        """Write an operation within the caller's transaction, unless one has *key*; return its row id.

        *by* is the user id of the person who asks for it. The answer to *turn* shows the progress.
        """
        values: dict[str, object] = {"kind": kind, "key": key, "params": Jsonb(params), "by": by, "turn": turn}
        await connection.execute(_SQL["request"], values)
        return int((await rows_of(connection, _SQL["id_of"], {"key": key}))[0]["id"])

    async def request_deletion(
        self, connection: Connection, key: str, rooms: Sequence[int], name: str, *, by: str, turn: int | None = None
    ) -> None:
        """Write the operation that tells how far the deletion of *rooms* (row ids) is, of the place or agent *name*.

        Other duties delete the rooms.
        """
        params = {"rooms": list(rooms), "name": name}
        await self.request(connection, DELETE, f"delete.{key}", params, by=by, turn=turn)

    async def request_alone(self, kind: str, key: str, params: Mapping[str, Any]) -> int:
        """Write an operation, unless one has *key*; return its row id."""
        async with self._database.transaction() as connection:
            return await self.request(connection, kind, key, params)

    async def find(self, operation: int) -> Operation | None:
        """Return the operation with a row id; None if there is none."""
        row = await self._database.row(_SQL["find"], {"operation": operation})
        return None if row is None else _operation(row)

    async def is_awaited(self, key: str, *, tries: int, seconds: float) -> bool | None:
        """Tell whether the operation with *key* may end soon; None if there is none.

        False: it has done all its steps, has failed *tries* times in a row, or is older than *seconds*.
        """
        row = await self._database.row(_SQL["is_awaited"], {"key": key, "tries": tries, "seconds": seconds})
        return None if row is None else bool(row["is_awaited"])

    async def next(self, others: Collection[int] = (), kinds: Collection[str] = ()) -> Operation | None:
        """Return the oldest operation that is not finished; None if there is none.

        *others* (row ids), and operations of *kinds*, are left out.
        """
        row = await self._database.row(_SQL["next"], {"others": list(others), "kinds": list(kinds)})
        return None if row is None else _operation(row)

    async def progress(self, operation: Operation, progress: Progress) -> None:
        """Record steps of *operation* that are done, with their results.

        Raises:
            StoreError: also if another process has recorded some since *operation* was read.
        """
        values: dict[str, object] = {
            "operation": operation.id,
            "before": operation.done,
            "done": progress.done,
            "total": progress.total,
            "cursor": Jsonb(progress.cursor),
            "found": Jsonb(list(progress.found)),
            "note": progress.note,
        }
        if await self._database.execute(_SQL["progress"], values) == 0:
            raise StoreError("another process goes on with the operation")

    async def failed(self, operation: int) -> None:
        """Record a failure of an operation that goes on."""
        await self._database.execute(_SQL["failed"], {"operation": operation})

    async def finish(self, operation: int, error: str | None = None) -> None:
        """End an operation, because of *error* if it failed."""
        await self._database.execute(_SQL["finish"], {"operation": operation, "error": error})

    async def count_deleting(self, rooms: Sequence[int]) -> int:
        """Return the number of those of *rooms* (row ids) that are being deleted."""
        row = await self._database.row(_SQL["count_deleting"], {"rooms": list(rooms)})
        return 0 if row is None else int(row["left"])

    async def entries(self, limit: int = 50) -> list[OperationEntry]:
        """Return the operations that go on, the newest first, and then those that ended last; *limit* of each."""
        return [_entry(row) for row in await self._database.rows(_SQL["entries"], {"limit": limit})]

    async def running(self, limit: int = 1000) -> list[OperationEntry]:
        """Return the operations that go on, the oldest first, at most *limit*."""
        return [_entry(row) for row in await self._database.rows(_SQL["running"], {"limit": limit})]

    async def tracked(self, kind: str) -> tuple[int, int] | None:
        """Return how much is done, and is to be done, of the tracked work of *kind* that goes on; None: none does."""
        row = await self._database.row(_SQL["tracked"], {"kind": kind})
        return None if row is None else (row["done"], row["total"])

    async def track(self, kind: str, done: int, total: int, note: str = "") -> None:
        """Write how far the work of *kind* is, which other rows drive and no runner takes: one row of a kind."""
        values = {"kind": kind, "key": f"{kind}.{uuid4().hex}", "done": done, "total": total, "note": note}
        await self._database.execute(_SQL["track"], values)

    async def end_tracked(self, kind: str, error: str | None = None) -> None:
        """End the tracked work of *kind*, if there is some: all of it is done, or *error* says why not."""
        await self._database.execute(_SQL["end_tracked"], {"kind": kind, "error": error})

    async def end_unknown(self, kinds: Collection[str]) -> None:
        """End the tracked work of other kinds than *kinds*."""
        await self._database.execute(_SQL["end_unknown"], {"kinds": list(kinds)})

    async def notice(self, turn: int) -> Notice | None:
        """Return the answer that shows the progress, None if there is none and will be none."""
        row = await self._database.row(_SQL["notice"], {"turn": turn})
        return None if row is None else Notice(row["room_id"], row["event_id"], row["key"], row["voice"])


def _operation(row: DictRow) -> Operation:
    return Operation(**{**row, "state": OperationState(row["state"])})


def _entry(row: DictRow) -> OperationEntry:
    return OperationEntry(**{**row, "state": OperationState(row["state"])})
