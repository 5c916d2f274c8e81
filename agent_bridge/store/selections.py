"""The agents that people have selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("selections")


class Selections:
    """The table ``selection``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def select(self, connection: Connection, user_id: str, agent: int) -> None:
        """Record that *user_id* has selected the agent with row id *agent*, within the caller's transaction."""
        await connection.execute(_SQL["select"], {"user_id": user_id, "agent": agent})

    async def selected(self, user_id: str) -> int | None:
        """Return the row id of the agent that *user_id* has selected; None without one."""
        row = await self._database.row(_SQL["selected"], {"user_id": user_id})
        return None if row is None else row["agent"]
