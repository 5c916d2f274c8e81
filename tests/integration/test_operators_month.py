"""A month of an operator in thirty steps: agents and people come and go, and everything is restarted in between.

Each evening no message is lost, doubled or out of order, the rooms are as they are to be, roles are power levels, and
the bridge counts as the server does (:meth:`support.month.Month.evening`). Each night all times in the database move
back by a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.conditions import eventually
from support.harness import new_harness
from support.month import KEPT_DAYS, Month
from support.month_first_days import FIRST_DAYS
from support.month_last_days import LAST_DAYS
from support.postgres import Cluster
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import LiteralString

#: Rows of a table that may be there without a look at their growth.
_MOST = 20
#: Rows that the retention does not keep.
_OLD: tuple[LiteralString, ...] = (
    "SELECT 1 FROM turn WHERE finished_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM message WHERE created_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM ignored WHERE created_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM operation WHERE finished_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM trigger_request WHERE created_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM outbox WHERE created_at < now() - make_interval(days => %(days)s) LIMIT 1",
)


@pytest.fixture
async def month(tmp_path: Path) -> AsyncIterator[Month]:
    with temporary_folder("ab-pg-") as folder, Cluster(folder) as cluster, cluster.migrated() as url:
        async with new_harness() as harness, Month(harness, cluster, url, tmp_path) as month:
            yield month


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_month_of_an_operator(month: Month) -> None:
    for number, day in enumerate([*FIRST_DAYS, *LAST_DAYS], 1):
        try:
            await day(month)
            await month.evening()
            await month.night()
        except BaseException as error:
            error.add_note(f"on day {number}: {day.__doc__}")
            raise
    await check_rows(month)


async def check_rows(month: Month) -> None:
    """Turns and all that belongs to them stay for the days of the retention alone, and nothing piles up."""

    async def pruned() -> bool:
        # The bridge has started before the last night.
        old = [await month.database.rows(query, {"days": KEPT_DAYS + 1}) for query in _OLD]
        return not any(old)

    await eventually(pruned, "the rows of earlier days are deleted")
    last = month.rows[-1]
    # What people have, and what the bridge keeps for the month.
    lasting = {"usage", "usage_day", "imported_message", "kv", "agent", "room", "participant", "conversation"}
    days = month.rows[:-1]
    grown = {
        table: [counts[table] for counts in days]
        for table in last
        if table not in lasting
        and last[table] > _MOST
        and last[table] > max(counts[table] for counts in days[: len(days) // 2])
    }
    assert grown == {}
