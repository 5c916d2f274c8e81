"""The rate of database statements of an idle bridge."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING

import psycopg

from benchmarks.figure import Aim, Figure
from benchmarks.household import household

if TYPE_CHECKING:
    from benchmarks.ground import Ground

_AGENTS = 20
#: Seconds before the measurement, and its duration in seconds.
_SETTLE, _MEASURED = 20.0, 60.0
#: A logged statement; its further lines begin with a tab.
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)")


async def idle_queries(ground: Ground) -> list[Figure]:
    """Measure ``idle_database_queries_per_s``."""
    async with household(ground, "idle", _AGENTS) as home:
        uri = home.bridge.config.database.url
        with psycopg.connect(uri, autocommit=True) as admin:
            admin.execute("ALTER DATABASE \"idle\" SET log_statement = 'all'")
            # Only new sessions have the setting.
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await asyncio.sleep(_SETTLE)
        before = len(ground.postgres_log.read_text("utf-8"))
        await asyncio.sleep(_MEASURED)
        logged = ground.postgres_log.read_text("utf-8")[before:]
    statements = Counter(" ".join(text.split())[:48] for text in _STATEMENT.findall(logged))
    rate = sum(statements.values()) / _MEASURED
    return [
        Figure(
            "idle_database_queries_per_s",
            rate,
            f"Statements per second in PostgreSQL's log (log_statement) during {_MEASURED:g} s, of a process that is "
            f"leader, worker and endpoint, with {_AGENTS} agents and their rooms and without messages.",
            Aim(2),
            parts={f"{text} per s": count / _MEASURED for text, count in statements.most_common(8)},
        )
    ]
