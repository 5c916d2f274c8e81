"""All rows of a database as text, for a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.store.postgres.database import Database

_COLUMNS = """
    SELECT c.table_name, c.column_name
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_name)
    WHERE c.table_schema = 'public' AND t.table_schema = 'public' AND t.table_type = 'BASE TABLE'
"""
_SEARCH = sql.SQL(
    "SELECT word FROM unnest(%s::text[]) AS word WHERE EXISTS (SELECT 1 FROM {} AS t WHERE strpos({}::text, word) > 0)"
)


async def found_in(database: Database, words: Iterable[str], allowed: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return the places (``table.column``) that have one of *words*, but for those *allowed*, by the word."""
    found: dict[str, list[str]] = {}
    wanted = list(words)
    for row in await database.rows(_COLUMNS):
        place = f"{row['table_name']}.{row['column_name']}"
        if place in allowed:
            continue
        query = _SEARCH.format(sql.Identifier(row["table_name"]), sql.Identifier("t", row["column_name"]))
        async with database.transaction() as connection:
            cursor = await connection.execute(query, (wanted,))
            for each in await cursor.fetchall():
                found.setdefault(each["word"], []).append(place)
    return found
