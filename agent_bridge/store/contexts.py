"""The contexts of lanes: begun, saved, loaded, forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.contexts import ContextEntry
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("contexts")


class Contexts:
    """The table ``context``, and the settings of people for the agents of their rooms.

    The methods with a *connection* act within the caller's transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def present(self, connection: Connection, lane: int, session: str) -> int:
        """Lock a lane, whose conversation is called *session* on upstreams; return the row of the context there."""
        (row,) = await rows_of(connection, _SQL["lock_lane"], {"lane": lane})
        if row["context"] is not None:
            return int(row["context"])
        (first,) = await rows_of(connection, _SQL["keep_first"], {"lane": lane, "session": session})
        await self.go_on(connection, lane, first["id"])
        return int(first["id"])

    async def is_empty(self, connection: Connection, lane: int) -> bool:
        """Tell whether nothing was said yet in the context of a lane."""
        (row,) = await rows_of(connection, _SQL["is_empty"], {"lane": lane})
        return bool(row["is_empty"])

    async def begin(
        self,
        connection: Connection,
        lane: int,
        session: str,
        *,
        source: int | None = None,
        upstream_ref: str | None = None,
        upstream_kind: str | None = None,
    ) -> int:
        """Let a lane go on with a new context, a copy of *source* if that is given; return its row.

        Its conversation is called *session* on upstreams. *upstream_ref*: the conversation there has the messages.
        """
        values = {
            "lane": lane,
            "session": session,
            "source": source,
            "upstream_ref": upstream_ref,
            "upstream_kind": upstream_kind,
        }
        (row,) = await rows_of(connection, _SQL["add"], values)
        if source is not None:
            copied = {"lane": lane, "context": row["id"], "source": source, "saved": False}
            await connection.execute(_SQL["copy"], copied)
        await self.go_on(connection, lane, row["id"])
        return int(row["id"])

    async def go_on(self, connection: Connection, lane: int, context: int) -> None:
        """Let a lane go on with the context with the row *context*, which is one of the lane."""
        await connection.execute(_SQL["go_on"], {"lane": lane, "context": context})

    async def save(
        self,
        connection: Connection,
        lane: int,
        source: int,
        owner: str,
        name: str,
        *,
        upstream_ref: str | None = None,
        upstream_kind: str | None = None,
    ) -> int:
        """Save a copy of the context *source* of a lane for *owner*, who has no other one with this *name*.

        Return the row of the copy.
        """
        values = {
            "source": source,
            "owner": owner,
            "name": name,
            "upstream_ref": upstream_ref,
            "upstream_kind": upstream_kind,
        }
        (row,) = await rows_of(connection, _SQL["save"], values)
        copied = {"lane": lane, "context": row["id"], "source": source, "saved": True}
        await connection.execute(_SQL["copy"], copied)
        return int(row["id"])

    async def names(self, connection: Connection, owner: str, agent: int) -> set[str]:
        """Return the names, in small letters, of the copies that *owner* has saved of conversations with *agent*."""
        rows = await rows_of(connection, _SQL["names"], {"owner": owner, "agent": agent})
        return {row["name"] for row in rows}

    async def entries(self, connection: Connection, lane: int, owner: str) -> Sequence[ContextEntry]:
        """Return the contexts that *owner* can load in a lane, the newest first."""
        rows = await rows_of(connection, _SQL["entries"], {"lane": lane, "owner": owner})
        return tuple(ContextEntry(**row) for row in rows)

    async def entry(self, connection: Connection, lane: int, owner: str, context: int) -> ContextEntry | None:
        """Return one context that *owner* can load in a lane, or that goes on there; None if it is neither."""
        values = {"lane": lane, "owner": owner, "context": context}
        rows = await rows_of(connection, _SQL["entry"], values)
        return ContextEntry(**rows[0]) if rows else None

    async def forget(self, connection: Connection, context: int, owner: str) -> None:
        """Delete a copy that *owner* has saved."""
        await connection.execute(_SQL["forget"], {"context": context, "owner": owner})

    async def begun(self, lane: int) -> tuple[datetime | None, int]:
        """Return when the conversation of a lane began (None: not yet), and the number of its messages."""
        row = await self._database.row(_SQL["begun"], {"lane": lane})
        return (None, 0) if row is None else (row["started_at"], row["messages"])

    async def instruct(
        self, connection: Connection, room_id: str, agent: int, instructions: str, event_id: str, by: str
    ) -> None:
        """Record the *instructions* for an agent in a room, which *event_id* of *by* gave; empty: it took them back."""
        values = {"room_id": room_id, "agent": agent, "instructions": instructions, "event_id": event_id, "by": by}
        await connection.execute(_SQL["instruct"], values)

    async def is_instructed(self, lane: int) -> bool:
        """Tell whether the agent of a lane got the present instructions of the room with an earlier question there."""
        row = await self._database.row(_SQL["is_instructed"], {"lane": lane})
        return row is not None and bool(row["is_instructed"])

    async def choose_model(self, connection: Connection, room_id: str, agent: int, model: str | None) -> None:
        """Record the *model* that is asked in place of an agent's own in a room; None: its own."""
        await connection.execute(_SQL["choose_model"], {"room_id": room_id, "agent": agent, "model": model})
