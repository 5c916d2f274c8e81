"""Adds up the use of ended days, so that sums of months are quick, and deletes old rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.core.quotas import beginning
from agent_bridge.store.usage import Span

if TYPE_CHECKING:
    from datetime import date, tzinfo

    from agent_bridge.core.live import Live
    from agent_bridge.core.quotas import QuotaBook
    from agent_bridge.store.usage import UsageStore

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two runs.
_INTERVAL = 600.0
#: Days for which each request is kept, and days for which the sum of a day is kept.
KEPT, SUMS_KEPT = 62, 400
#: Days that are added up again: a request from before midnight may be recorded after it.
_AGAIN = 3


class UsageDays:
    """A duty of the leader."""

    def __init__(self, store: UsageStore, quotas: Live[QuotaBook]) -> None:
        self._store = store
        self._quotas = quotas

    async def run(self) -> None:
        """Look now and every ten minutes, until cancelled."""
        await every(_INTERVAL, self.look, name="days of usage")

    async def look(self) -> None:
        """Add up the days that have ended since the last time, and delete old rows; else write nothing.

        If the time zone has changed, all days are added up again of which the requests are kept.
        """
        zone = self._quotas.value.zone
        today = datetime.now(UTC).astimezone(zone).date()
        oldest = today - timedelta(days=KEPT)
        until, has_more = await self._store.added_until(zone, beginning(today, zone))
        if has_more:
            first = oldest if until is None else max(oldest, min(until, today) - timedelta(days=_AGAIN))
            # One by one: all days of a large installation together would exceed the time limit of a statement.
            for span in spans(first, today, zone):
                await self._store.add_up(span, zone)
        deleted = await self._store.prune(beginning(oldest, zone), today - timedelta(days=SUMS_KEPT))
        if deleted:
            _log.info("deleted old rows of usage", rows=deleted)


def spans(first: date, until: date, zone: tzinfo) -> list[Span]:
    """Return the days of *zone* from *first* to the one before *until*."""
    days = [first + timedelta(days=number) for number in range((until - first).days)]
    return [Span(day, beginning(day, zone), beginning(day + timedelta(days=1), zone)) for day in days]
