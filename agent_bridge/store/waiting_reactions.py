"""Messages that wait behind another one, and the reactions that show this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.rooms import WhenBusy
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from typing import LiteralString

    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("waiting_reactions")
#: The place of all messages behind as many others, or more.
LAST_PLACE = 9


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
    #: The number of messages ahead, from 1 to :data:`LAST_PLACE`.
    place: int = 1
    #: The place that the last reaction shows; None if there was none.
    shown_place: int | None = None


def _waiter(row: DictRow) -> WaitingMessage:
    return WaitingMessage(**{"turn": row.pop("id"), **row})


class WaitingMessages:
    """The columns ``turn.waiting_event_id``, ``waiting_place`` and ``waiting_shown_at``.

    One process at a time may use it: the leader. *when_busy*: the configured treatment of waiting messages.
    """

    def __init__(self, database: Database, when_busy: WhenBusy = WhenBusy.QUEUE) -> None:
        self._database = database
        self._when_busy = when_busy

    async def unshown(self, seconds: float, limit: int) -> tuple[list[WaitingMessage], float | None]:
        """Return messages that wait behind another one for longer than *seconds* without a reaction, *limit* at most.

        And the seconds until the next message does; None when there is none, or more than *limit* are due.
        """
        return await self._due(_SQL["unshown"], seconds, limit)

    async def moved(self, seconds: float, limit: int) -> tuple[list[WaitingMessage], float | None]:
        """Return messages that wait at an earlier place than their reactions show, *limit* at most.

        And those whose reaction was intended, with an unknown result. Only reactions that are older than *seconds*; and
        the seconds until the next one is, as :meth:`unshown`.
        """
        return await self._due(_SQL["moved"], seconds, limit)

    async def over(self, limit: int) -> list[WaitingMessage]:
        """Return messages that do not wait any more and have, or may have, a reaction."""
        return [_waiter(row) for row in await self._database.rows(_SQL["over"], {"limit": limit})]

    async def intend(self, turn: int, place: int) -> None:
        """Record that a reaction to the message of *turn* is about to be sent, which shows *place*."""
        await self._database.execute(_SQL["intend"], {"turn": turn, "place": place})

    async def record(self, turn: int, waiting_event_id: str | None) -> None:
        """Record the event of the reaction for *turn*, or None for none."""
        await self._database.execute(_SQL["record"], {"turn": turn, "event_id": waiting_event_id})

    async def refuse(self, turn: int) -> None:
        """Record that the homeserver refused the reaction for *turn*."""
        await self._database.execute(_SQL["refuse"], {"turn": turn})

    async def _due(self, query: LiteralString, seconds: float, limit: int) -> tuple[list[WaitingMessage], float | None]:
        values = {"limit": limit + 1, "last": LAST_PLACE, "when_busy": self._when_busy}
        rows = await self._database.rows(query, values)
        ages = [row.pop("age") for row in rows]
        due = [_waiter(row) for row, age in zip(rows[:limit], ages, strict=False) if age > seconds]
        return due, next((seconds - age for age in ages if age <= seconds), None)
