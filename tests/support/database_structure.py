"""What migrations make, as text."""

from __future__ import annotations

import psycopg


def column(uri: str, query: str) -> list[str]:
    """Return the first column of the rows of *query*, as text."""
    with psycopg.connect(uri) as connection:
        return [str(row[0]) for row in connection.execute(query.encode()).fetchall()]


def structure(uri: str) -> list[str]:
    """Return everything that migrations make: columns, indexes, functions, triggers, the last ones without parentheses.

    A dump that is loaded has conditions with fewer parentheses.
    """
    return [
        *column(uri, "SELECT (table_name, column_name, data_type, column_default, is_nullable)::text"
                     " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1"),
        *column(uri, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"),
        *column(uri, "SELECT pg_get_functiondef(oid) FROM pg_proc"
                     " WHERE pronamespace = 'public'::regnamespace ORDER BY 1"),
        *column(uri, "SELECT translate(pg_get_triggerdef(oid), '()', '') FROM pg_trigger"
                     " WHERE NOT tgisinternal ORDER BY 1"),
    ]  # fmt: skip
