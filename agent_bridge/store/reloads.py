"""Requests to read the configuration again, and the answers of the processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.results.reloads import ProcessReload, ReloadOutcome, ReloadReport
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import RELOADS
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("reloads")


@dataclass(frozen=True, slots=True)
class NewestReload:
    """The newest requests, by their row ids; 0: there is none."""

    #: Of all.
    id: int
    #: Of those that are younger than a number of seconds.
    young: int


class ReloadStore:
    """Reads and writes requests. Every method raises :class:`StoreError`.

    A process that answers requests holds the lock of the kind :data:`RELOADS` with its number.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def request(self, connection: Connection | None = None) -> int:
        """Ask all processes to read their configuration again; return the row id of the request.

        *connection*: of the caller's transaction; None: in a transaction of its own. Requests of earlier days are
        deleted.
        """
        if connection is None:
            async with self._database.transaction() as own:
                return await self.request(own)
        await connection.execute(_SQL["lock"])
        return int((await rows_of(connection, _SQL["request"], {"kind": RELOADS}))[0]["id"])

    async def newest(self, seconds: float) -> NewestReload:
        """Return the newest request, and the newest one that was made in the last *seconds*."""
        (row,) = await self._database.rows(_SQL["newest"], {"seconds": seconds})
        return NewestReload(row["newest"], row["young"])

    async def answer(self, process: int, name: str, after: int, until: int, outcome: ReloadOutcome) -> None:
        """Record the *outcome* in *process*, called *name*, for the requests behind *after* up to *until*."""
        values: dict[str, object] = {"process": process, "name": name, "after": after, "until": until}
        values |= {"applied": list(outcome.applied), "restart": list(outcome.restart), "fault": outcome.fault}
        await self._database.execute(_SQL["answer"], values)

    async def report(self, request: int, within: float) -> ReloadReport:
        """Return the answers so far. *within*: the seconds that the processes have, for the report."""
        rows = await self._database.rows(_SQL["answers"], {"request": request, "kind": RELOADS})
        return ReloadReport(
            tuple(
                ProcessReload(
                    row["name"] or "",
                    ReloadOutcome(tuple(row["applied"]), tuple(row["restart"]), row["fault"]) if row["name"] else None,
                    has_ended=not row["name"] and not row["lives"],
                )
                for row in rows
            ),
            within,
        )
