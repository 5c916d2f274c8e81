"""The sums of five minutes: exact, the same after a repeat, and written only while turns end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.metering.rollups import RollupWriter
from agent_bridge.core.observer import UNOBSERVED, TurnEndSignal
from agent_bridge.core.rollups import BOUNDS, STEP, percentile
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.postgres.locks import ROLLUPS
from agent_bridge.store.rollups import RollupStore
from support.admin_rows import fill
from support.conditions import eventually

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

WEEK = datetime(2000, 1, 1, tzinfo=UTC)


async def totals(database: Database) -> Any:
    return await database.row(
        """SELECT sum(done)::int AS done, sum(failed)::int AS failed, sum(stopped)::int AS stopped,
                  sum(input_tokens)::int AS input_tokens, sum(cost) AS cost FROM rollup"""
    )


async def counted(database: Database) -> Any:
    return await database.row(
        """SELECT count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'failed') AS failed,
                  count(*) FILTER (WHERE state = 'stopped') AS stopped,
                  (SELECT sum(input_tokens)::int FROM usage) AS input_tokens,
                  (SELECT sum(cost) FROM usage) AS cost FROM turn"""
    )


async def test_the_sums_are_those_of_the_rows(database: Database) -> None:
    await fill(database, agents=5, turns=2000)
    store = RollupStore(database)
    for _ in range(2):
        assert await store.write()
        assert await totals(database) == await counted(database)
    found = await store.read(WEEK)
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert all(each.at.timestamp() % STEP == 0 for each in found)
    whole = {bucket for each in found for bucket in each.whole_answer}
    assert sum(sum(each.whole_answer.values()) for each in found) == sum(each.done for each in found)
    assert sum(sum(each.first_words.values()) for each in found) == sum(each.done for each in found)
    # Answers take 2 to 15 seconds.
    assert whole <= set(range(BOUNDS.index(2.0), BOUNDS.index(15.0) + 2))


async def test_new_turns_are_added_and_those_that_go_on_are_taken_back(database: Database) -> None:
    await fill(database, agents=5, turns=500)
    store = RollupStore(database)
    await store.write()
    before = await totals(database)
    await database.execute(
        "UPDATE turn SET state = 'queued', finished_at = NULL"
        " WHERE id = (SELECT id FROM turn ORDER BY finished_at DESC LIMIT 1)"
    )
    await store.write()
    after = await totals(database)
    assert sum(after[name] for name in ("done", "failed", "stopped")) == 499
    await database.execute("UPDATE turn SET state = 'done', finished_at = now() WHERE state = 'queued'")
    await store.write()
    last = await totals(database)
    assert sum(last[name] for name in ("done", "failed", "stopped")) == 500
    assert before["input_tokens"] == after["input_tokens"]


async def test_sums_of_more_than_a_week_ago_are_forgotten(database: Database) -> None:
    await database.execute(
        "INSERT INTO rollup SELECT now() - make_interval(hours => h), 1, 0, 0, '{}', '{}', 0, 0"
        " FROM unnest('{1, 144, 192}'::int[]) AS h"
    )
    await RollupStore(database).write()
    # That of an hour ago was computed again, from no rows.
    (kept,) = await RollupStore(database).read(WEEK)
    assert timedelta(days=5) < datetime.now(UTC) - kept.at < timedelta(days=7)


async def test_one_process_writes_at_a_time(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (ROLLUPS,))
        assert not await RollupStore(database).write()
    assert await RollupStore(database).write()


async def test_nothing_is_written_while_no_turn_ends(database: Database) -> None:
    class Counting(RollupStore):
        writes = 0

        async def write(self) -> bool:
            self.writes += 1
            return await super().write()

    store, ended = Counting(database), asyncio.Event()
    observer = TurnEndSignal(UNOBSERVED, ended.set)
    task = asyncio.create_task(RollupWriter(store, ended, rest=0.05).run())
    try:
        await eventually(_async(lambda: store.writes == 1), "the start has written")
        await asyncio.sleep(0.3)
        assert store.writes == 1
        for _ in range(20):
            observer.turn_ended(TurnKind.MESSAGE, "done")
        await eventually(_async(lambda: store.writes == 2), "the ends are written")
        await asyncio.sleep(0.3)
        assert store.writes == 2
    finally:
        task.cancel()
        await asyncio.wait({task})


def test_percentiles() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({0: 4}, 0.5) == 0.125
    assert percentile({3: 10}, 0.5) == 1.5
    assert percentile({3: 95, 11: 5}, 0.95) == 2.0
    assert percentile({len(BOUNDS): 3}, 0.5) == BOUNDS[-1]
    assert percentile({0: 1, len(BOUNDS): 99}, 0.95) == BOUNDS[-1]


async def test_the_clock_of_the_sums_is_that_of_the_database(database: Database) -> None:
    await fill(database, agents=1, turns=10)
    await RollupStore(database).write()
    found = await RollupStore(database).read(datetime.now(UTC) - timedelta(minutes=10))
    assert len(found) <= 3


def _async(condition: Any) -> Any:
    async def check() -> bool:
        return bool(condition())

    return check
