"""The rate of database statements of an idle bridge."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from benchmarks.figure import Aim, Figure
from benchmarks.household import household
from benchmarks.statements import StatementLog, logged

if TYPE_CHECKING:
    from benchmarks.ground import Ground

_AGENTS = 20
#: Seconds before the measurement, and its duration in seconds: no regular pause of a leader is longer.
_SETTLE, _MEASURED = 20.0, 120.0


async def idle_queries(ground: Ground) -> list[Figure]:
    """Measure ``idle_database_queries_per_s``."""
    async with household(ground, "idle", _AGENTS) as home:
        with logged(home.bridge.config.database.url):
            await asyncio.sleep(_SETTLE)
            log = StatementLog(ground.postgres_log)
            await asyncio.sleep(_MEASURED)
            statements = log.counts()
    rate = statements.total() / _MEASURED
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
