"""Signs of life of the leader and of the other processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.locks import LEADER, WORKER
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("leadership")


@dataclass(frozen=True, slots=True)
class LeaderState:
    """The leader as the other processes see it."""

    #: Process id of the session that holds the leader's lock, in PostgreSQL; None: no process leads.
    pid: int | None
    #: Seconds for which that session has done nothing; None: it works, or no process leads.
    idle: float | None
    #: Seconds since the last sign of life of any leader; None: there was none yet.
    silent: float | None
    #: Seconds for which the longest waiting room has needed a backfill; None: no room needs one.
    backfill_age: float | None


class Leadership:
    """The leader's lock and its signs of life. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, process: int, silence: float, suspects: Collection[int] = ()) -> list[tuple[int, bool]]:
        """Record a sign of life of *process*, which leads; return each session of another one that was silent.

        A silent session gave no sign of life for *silence* seconds. Those that are in *suspects* are ended, as the
        second value tells: the server frees their locks.
        """
        values = {"kind": WORKER, "process": process, "seconds": silence, "suspects": list(suspects)}
        return [(row["pid"], row["ended"]) for row in await self._database.rows(_SQL["beat"], values)]

    async def state(self) -> LeaderState:
        """Return the state of the leader."""
        (row,) = await self._database.rows(_SQL["state"], {"kind": LEADER})
        return LeaderState(**row)

    async def end(self, pid: int) -> None:
        """End the session *pid*, if it still holds the leader's lock: the server frees its locks."""
        await self._database.execute(_SQL["end"], {"kind": LEADER, "pid": pid})
