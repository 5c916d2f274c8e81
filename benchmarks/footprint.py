"""Resources of a running bridge: memory, tasks, file descriptors, connections and database."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from benchmarks.cpu import open_files, resident_megabytes

if TYPE_CHECKING:
    from benchmarks.ground import Bridge

MEMORY = "resident memory, MB"
TASKS = "tasks"
POOLED = "pooled database connections"
CONNECTIONS = "database connections in pg_stat_activity"
DESCRIPTORS = "file descriptors"
BLOCKED = "longest computation of the event loop, ms"
BYTES = "size of the database, MB"

_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_BYTES = "SELECT pg_database_size(current_database())"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


def rows_of(table: str) -> str:
    """Return the name of the measure that counts the rows of *table*."""
    return f"rows of {table}"


async def footprint(bridge: Bridge) -> dict[str, float]:
    """Return the current resources of *bridge*, by the names above and by :func:`rows_of` for every table."""
    heard, pid = bridge.program.heard, bridge.program.pid
    known = len(heard.get("process_stats", []))
    bridge.program.signal(signal.SIGUSR1)
    await bridge.program.wait_until(lambda: len(heard.get("process_stats", [])) > known)
    process_stats = heard["process_stats"][-1]
    return {
        MEMORY: resident_megabytes(pid),
        TASKS: process_stats["tasks"],
        POOLED: process_stats["connections"],
        DESCRIPTORS: open_files(pid),
        BLOCKED: process_stats["blocked"] * 1000,
        **_of_database(bridge.config.database.url),
    }


def database_connections(uri: str) -> int:
    """Return the number of connections to the database *uri*, without the one that asks."""
    with psycopg.connect(uri) as connection:
        row = connection.execute(_CONNECTIONS).fetchone()
    return 0 if row is None else int(row[0])


def _of_database(uri: str) -> dict[str, float]:
    connections = database_connections(uri)
    with psycopg.connect(uri) as connection:

        def number(query: sql.SQL | sql.Composed) -> int:
            row = connection.execute(query).fetchone()
            return 0 if row is None else int(row[0])

        tables = [table for (table,) in connection.execute(_TABLES)]
        count = sql.SQL("SELECT count(*) FROM {}")
        return {
            CONNECTIONS: connections,
            BYTES: number(sql.SQL(_BYTES)) / 1e6,
            **{rows_of(table): number(count.format(sql.Identifier(table))) for table in tables},
        }
