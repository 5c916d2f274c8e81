"""Sums of five minutes each: the table ``rollup``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.core.answers import Part
from agent_bridge.core.rollups import BOUNDS, DAYS, STEP, Rollup
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import ROLLUPS
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("rollups")


class RollupStore:
    """Writes and reads the sums. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self) -> bool:
        """Bring the sums up to date, from the rows of turns and of usage; tell whether that was done.

        It is not if another process does it at this moment. A repeat changes nothing.
        """
        async with self._database.transaction() as connection:
            if not (await rows_of(connection, _SQL["alone"], {"kind": ROLLUPS}))[0]["is_alone"]:
                return False
            since = (await rows_of(connection, _SQL["since"], {"step": STEP, "days": DAYS}))[0]["since"]
            await connection.execute(_SQL["clear"], {"since": since, "days": DAYS})
            values = {"since": since, "step": STEP, "bounds": list(BOUNDS), "part": Part.TEXT[0]}
            await connection.execute(_SQL["add"], values)
        return True

    async def read(self, since: datetime) -> list[Rollup]:
        """Return the sums since a time, the oldest first; there is none for minutes in which nothing happened."""
        return [_rollup(row) for row in await self._database.rows(_SQL["read"], {"since": since})]


def _rollup(row: DictRow) -> Rollup:
    # Keys of JSON are text.
    times = {name: {int(key): count for key, count in row[name].items()} for name in ("first_words", "whole_answer")}
    return Rollup(**{**row, "at": row["at"].astimezone(UTC), **times})
