"""The agents that people have selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("selections")


class Selections:
    """The table ``selection``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def select(self, connection: Connection, user_id: str, agent: int) -> None:
        """Record that *user_id* has selected the agent with row id *agent*, within the caller's transaction."""
        await connection.execute(_SQL["select"], {"user_id": user_id, "agent": agent})

    async def selected(self, users: Collection[str]) -> dict[str, int]:
        """Return the row ids of the agents that *users* have selected, by user id."""
        rows = await self._database.rows(_SQL["selected"], {"users": list(users)})
        return {row["user_id"]: row["agent"] for row in rows}
