"""The table ``usage``: the tokens and the cost of each request to an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from agent_bridge.core.results.usage import UsageBy, UsagePart, UsedAmount
from agent_bridge.core.usage import UsageSum
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime, tzinfo
    from decimal import Decimal

    from psycopg.rows import DictRow

    from agent_bridge.core.usage import UsageEntry, WantedSum
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("usage")
#: Rows of one statement: the deletion of many rows must not lock the table for long.
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class RecentMessages:
    """The number of messages of one person to one agent in one room within a minute."""

    sender: str
    room_id: str
    #: Row id.
    agent: int
    upstream: str
    messages: int


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The use of one person, agent and room."""

    user_id: str
    agent: str
    room_id: str
    #: Number of the chat that the room is; None: it is none.
    chat: int | None
    requests: int
    estimated: int
    tokens: int
    #: None: no price was known.
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Span:
    """A day, and the times of its beginning and its end."""

    day: date
    start: datetime
    end: datetime


def entry_values(entries: Sequence[UsageEntry]) -> Jsonb:
    """Return *entries* as the parameter ``used`` of a statement that writes them."""
    return Jsonb(
        [
            {
                "key": each.key,
                "user_id": each.user,
                "role": each.role,
                "room_id": each.room_id,
                "agent": each.agent,
                "upstream": each.upstream,
                "model": each.model,
                "input_tokens": each.usage.input_tokens,
                "output_tokens": each.usage.output_tokens,
                "cached_tokens": each.usage.cached_tokens,
                "is_estimated": each.is_estimated,
                # As text: a number of JSON is a binary fraction for Python.
                "cost": None if each.cost is None else str(each.cost),
                "price": each.price,
                "origin": each.turn if each.turn is not None else each.origin,
            }
            for each in entries
        ]
    )


def _part(row: DictRow, by: UsageBy) -> UsagePart:
    amount = UsedAmount(row["requests"], row["estimated"], int(row["tokens"]), row["cost"])
    if by is UsageBy.ROOM:
        return UsagePart(row["agents"] or "", amount, row["key"], row["chat"])
    return UsagePart(row["key"], amount)


class UsageStore:
    """Writes and adds up the tokens and the costs of requests to agents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, entries: Sequence[UsageEntry]) -> None:
        """Write *entries* of the same turn, one at least. A repeat changes nothing. It does not wait for the disk."""
        await self._database.execute(_SQL["record"], {"turn": entries[0].turn, "used": entry_values(entries)})

    async def record_left(self, entries: Sequence[UsageEntry]) -> None:
        """Write the estimated *entries* of attempts at a turn, one at least, except for attempts that have an entry."""
        await self._database.execute(_SQL["left"], {"turn": entries[0].turn, "used": entry_values(entries)})

    async def recent(self, turn: int) -> list[RecentMessages]:
        """Return the messages in the minute of *turn* up to it. Each of several at once has a place of its own."""
        return [RecentMessages(**row) for row in await self._database.rows(_SQL["recent"], {"turn": turn})]

    async def sums(self, wanted: Sequence[WantedSum], zone: tzinfo) -> list[UsageSum]:
        """Return the sums *wanted*, in this order. Times are beginnings of days of *zone*."""
        values = {
            "kinds": [str(each.per) for each in wanted],
            "keys": [each.key for each in wanted],
            "since": [each.since for each in wanted],
            "first": [each.since.astimezone(zone).date() for each in wanted],
            "zone": str(zone),
        }
        rows = await self._database.rows(_SQL["sums"], values)
        return [UsageSum(int(row["tokens"]), row["cost"]) for row in rows]

    async def use(self, user: str | None, since: datetime) -> list[UsageRow]:
        """Return the use of *user*, or of all people (None), since a time."""
        if user is None:
            rows = await self._database.rows(_SQL["of_all"], {"since": since})
        else:
            rows = await self._database.rows(_SQL["of_user"], {"user": user, "since": since})
        return [UsageRow(**{**row, "tokens": int(row["tokens"])}) for row in rows]

    async def parts(self, by: UsageBy, since: datetime, limit: int) -> tuple[list[UsagePart], int, UsedAmount]:
        """Return the *limit* largest parts of the use of all people since a time, those with the most tokens first.

        Also return the number of all parts, and their sum.
        """
        rows = await self._database.rows(_SQL["parts"], {"by": by, "since": since, "limit": limit})
        if not rows:
            return [], 0, UsedAmount()
        first = rows[0]
        total = UsedAmount(
            int(first["all_requests"]), int(first["all_estimated"]), int(first["all_tokens"]), first["all_cost"]
        )
        return [_part(row, by) for row in rows], first["parts"], total

    async def added_until(self, zone: tzinfo, today: datetime) -> tuple[date | None, bool]:
        """Return the day before which the use is added up by the days of *zone* (None: it is not).

        Also tell whether there are requests between that day and the beginning of *today*.
        """
        row = await self._database.row(_SQL["rolled"], {"zone": str(zone), "today": today})
        return (None, False) if row is None else (row["until"], row["has_more"])

    async def add_up(self, span: Span, zone: tzinfo) -> None:
        """Add up the day *span* of *zone*, which has ended; the days after it count as not added up.

        A second run changes nothing.
        """
        values = {
            "day": span.day,
            "start": span.start,
            "end": span.end,
            "zone": str(zone),
            "until": span.end.astimezone(zone).date(),
        }
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["clear_days"], {"first": span.day})
            await connection.execute(_SQL["add_day"], values)

    async def prune(self, before: datetime, days_before: date) -> int:
        """Delete the requests before a time, and the sums of the days before a day; return the number of rows."""
        deleted = await self._database.execute(_SQL["prune_days"], {"before": days_before})
        while (rows := await self._database.execute(_SQL["prune"], {"before": before, "batch": _BATCH})) > 0:
            deleted += rows
        return deleted
