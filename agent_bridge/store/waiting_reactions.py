"""Messages that wait behind another one, and the reactions that show this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("waiting_reactions")


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message that waits, or waited, for one agent."""

    turn: int
    event_id: str
    #: Public name of the turn.
    key: str
    room_id: str
    #: Localpart of the ghost that reacts.
    ghost: str
    #: The reaction; None when there is none, empty when it was intended and may have been sent.
    waiting_event_id: str | None


def _waiter(row: DictRow) -> WaitingMessage:
    return WaitingMessage(**{"turn": row.pop("id"), **row})


class WaitingMessages:
    """The column ``turn.waiting_event_id``. One process at a time may use it: the leader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unshown(self, seconds: float, limit: int) -> tuple[list[WaitingMessage], float | None]:
        """Return messages that wait behind another one for longer than *seconds* without a reaction, *limit* at most.

        And the seconds until the next message does; None when there is none, or more than *limit* are due.
        """
        rows = await self._database.rows(_SQL["unshown"], {"limit": limit + 1})
        ages = [row.pop("age") for row in rows]
        due = [_waiter(row) for row, age in zip(rows[:limit], ages, strict=False) if age > seconds]
        return due, next((seconds - age for age in ages if age <= seconds), None)

    async def over(self, limit: int) -> list[WaitingMessage]:
        """Return messages that do not wait any more and have, or may have, a reaction."""
        return [_waiter(row) for row in await self._database.rows(_SQL["over"], {"limit": limit})]

    async def record(self, turn: int, waiting_event_id: str | None) -> None:
        """Record the reaction for *turn*: an event, None for none, or empty for one that is about to be sent."""
        await self._database.execute(_SQL["record"], {"turn": turn, "event_id": waiting_event_id})
