"""The rows of all tables, to compare before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database


async def snapshot(database: Database) -> dict[str, list[object]]:
    """Return the rows of all tables, as text."""
    tables = await database.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    found = {}
    for name in (row["name"] for row in tables):
        query = sql.SQL("SELECT t::text AS row FROM {} t ORDER BY 1").format(sql.Identifier(name))
        async with database.transaction() as connection:
            found[name] = [row["row"] for row in await (await connection.execute(query)).fetchall()]
    return found


def changed(before: dict[str, list[object]], after: dict[str, list[object]]) -> set[str]:
    """Return the tables whose rows differ between two snapshots."""
    return {table for table, rows in after.items() if rows != before[table]}
