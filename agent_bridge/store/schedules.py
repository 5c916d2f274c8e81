"""Schedules of people, in the table ``schedule``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.schedules import Schedule
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import SCHEDULES
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from agent_bridge.core.schedules import ScheduleTrouble
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("schedules")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule that is about to be written."""

    #: User id.
    owner: str
    #: Row id.
    agent: int
    room_id: str
    #: As in :class:`~agent_bridge.core.schedules.Schedule`.
    expression: str
    rule: str
    zone: str
    prompt: str
    due_at: datetime


class ScheduleStore:
    """The table ``schedule``. Every method raises :class:`StoreError`. One with a connection is in its transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> datetime:
        """Return the time of the database, by which schedules are due."""
        (row,) = await self._database.rows(_SQL["now"])
        now: datetime = row["now"]
        return now

    async def owned(self, owner: str | None) -> list[Schedule]:
        """Return the schedules of *owner*, or of all people (None), the oldest first."""
        return [Schedule(**row) for row in await self._database.rows(_SQL["owned"], {"owner": owner})]

    async def count(self, connection: Connection, owner: str, room_id: str) -> tuple[int, int]:
        """Return the number of schedules of *owner*, and of a room. No other transaction adds any meanwhile."""
        await connection.execute(_SQL["lock_owner"], {"kind": SCHEDULES, "owner": owner, "room_id": room_id})
        (row,) = await rows_of(connection, _SQL["count"], {"owner": owner, "room_id": room_id})
        return int(row["owned"]), int(row["in_room"])

    async def add(self, connection: Connection, new: NewSchedule) -> int | None:
        """Write a schedule; return its number, None if its room is not known any more."""
        values = {
            "owner": new.owner,
            "agent": new.agent,
            "room_id": new.room_id,
            "expression": new.expression,
            "rule": new.rule,
            "zone": new.zone,
            "prompt": new.prompt,
            "due_at": new.due_at,
        }
        rows = await rows_of(connection, _SQL["add"], values)
        return int(rows[0]["id"]) if rows else None

    async def due(self, limit: int, others: Collection[int]) -> list[tuple[int, float]]:
        """Return up to *limit* schedules that are due next, but for *others*, with the seconds until then."""
        rows = await self._database.rows(_SQL["due"], {"limit": limit, "others": list(others)})
        return [(row["id"], row["seconds"]) for row in rows]

    async def find(self, schedule: int) -> Schedule | None:
        """Return a schedule; None if there is none."""
        row = await self._database.row(_SQL["find"], {"schedule": schedule})
        return None if row is None else Schedule(**row)

    async def lock(self, connection: Connection, schedule: int) -> Schedule | None:
        """Lock a schedule until the transaction ends, and return it as it is then; None if there is none."""
        rows = await rows_of(connection, _SQL["lock"], {"schedule": schedule})
        return Schedule(**rows[0]) if rows else None

    async def advance(
        self, connection: Connection, schedule: int, due_at: datetime | None, problem: ScheduleTrouble | None
    ) -> None:
        """Give *schedule*, which is locked, its next due time after a run or a *problem*; None: it was the last one."""
        if due_at is None:
            await self.remove(connection, schedule)
            return
        values = {"schedule": schedule, "due_at": due_at, "problem": problem}
        await connection.execute(_SQL["advance"], values)

    async def break_off(self, connection: Connection, schedule: int, problem: ScheduleTrouble) -> None:
        """Pause *schedule*, because of a *problem*."""
        await connection.execute(_SQL["break"], {"schedule": schedule, "problem": problem})

    async def pause(self, connection: Connection, schedule: int) -> None:
        """Have *schedule* not run until it is resumed."""
        await connection.execute(_SQL["pause"], {"schedule": schedule})

    async def resume(self, connection: Connection, schedule: int, due_at: datetime) -> None:
        """Have *schedule* go on at *due_at*."""
        await connection.execute(_SQL["resume"], {"schedule": schedule, "due_at": due_at})

    async def remove(self, connection: Connection, schedule: int) -> None:
        """Delete *schedule*. Runs that have begun go on."""
        await connection.execute(_SQL["remove"], {"schedule": schedule})
