"""Messages that wait behind another one, and the reactions that show this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.ids import turn_key

if TYPE_CHECKING:
    from typing import LiteralString

    from psycopg.rows import DictRow

    from agent_bridge.store.database import Database

_SELECT: LiteralString = """
SELECT t.id, t.event_id, t.waiting_event_id, c.room_id, a.ghost, extract(epoch FROM now() - t.created_at)::float AS age
FROM turn t
JOIN conversation c ON c.id = t.conversation JOIN portal p ON p.id = c.portal JOIN agent a ON a.id = p.agent
"""


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message that waits, or waited."""

    turn: int
    event_id: str
    room_id: str
    #: Localpart of the ghost that shows it.
    ghost: str
    #: The event that shows it; None when none does, empty when it was intended and perhaps sent.
    waiting_event_id: str | None

    @property
    def key(self) -> str:
        """Public name of the turn."""
        return turn_key(self.event_id)


def _waiter(row: DictRow) -> WaitingMessage:
    return WaitingMessage(row["id"], row["event_id"], row["room_id"], row["ghost"], row["waiting_event_id"])


class WaitingMessages:
    """The column ``turn.waiting_event_id``. One process at a time may use it: the leader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unshown(self, seconds: float, limit: int) -> tuple[list[WaitingMessage], float | None]:
        """Return messages that wait behind another for longer than *seconds* without showing it, *limit* at most.

        And the seconds until the next message does; None when there is none, or more than *limit* are due.
        """
        rows = await self._database.rows(
            _SELECT
            + """
            WHERE t.state = 'queued' AND t.kind = 'message' AND t.attempts = 0 AND t.waiting_event_id IS NULL
              AND EXISTS (
                  SELECT 1 FROM turn ahead WHERE ahead.conversation = t.conversation AND ahead.position < t.position
                     AND ahead.state IN ('queued', 'running', 'committed'))
            ORDER BY t.created_at, t.position LIMIT %s
            """,
            (limit + 1,),
        )
        due = [_waiter(row) for row in rows[:limit] if row["age"] > seconds]
        return due, next((seconds - row["age"] for row in rows if row["age"] <= seconds), None)

    async def over(self, limit: int) -> list[WaitingMessage]:
        """Return messages that do not wait any more, and perhaps still show it."""
        rows = await self._database.rows(
            _SELECT
            + "WHERE t.waiting_event_id IS NOT NULL AND (t.state <> 'queued' OR t.attempts > 0) ORDER BY t.id LIMIT %s",
            (limit,),
        )
        return [_waiter(row) for row in rows]

    async def record(self, turn: int, waiting_event_id: str | None) -> None:
        """Record what shows that *turn* waits: an event, nothing, or (empty) what is about to be sent."""
        await self._database.execute("UPDATE turn SET waiting_event_id = %s WHERE id = %s", (waiting_event_id, turn))
