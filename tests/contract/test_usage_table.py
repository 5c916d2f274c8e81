"""The tables of usage on a real PostgreSQL: written once for each request, added up, and pruned."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from agent_bridge.bridge.metering.days import UsageDays, spans
from agent_bridge.core.errors import StoreError
from agent_bridge.core.live import Live
from agent_bridge.core.quotas import Period, QuotaBook
from agent_bridge.core.turns import StopReason, TurnKind
from agent_bridge.core.usage import Usage, UsageSum, WantedSum
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from agent_bridge.store.usage import UsageStore
from support.change_requests import note, redaction
from support.records import used
from support.turn_rows import BOB, OTHER, ROOM, accept, add_agent, new, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database

ALICE = "@alice:example.org"
OSLO = ZoneInfo("Europe/Oslo")


@pytest.fixture
def store(database: Database) -> UsageStore:
    return UsageStore(database)


@pytest.fixture
async def turn(database: Database) -> Turn:
    """A claimed message of Bob."""
    (lane,) = await accept(database, new("$1", ROOM, await add_agent(database)))
    return await take(database, lane)


async def rows(database: Database) -> list[tuple[Any, ...]]:
    """Return the tokens in the table, by key."""
    found = await database.rows("SELECT key, input_tokens, output_tokens, is_estimated FROM usage ORDER BY key")
    return [tuple(each.values()) for each in found]


async def reported(database: Database) -> Usage | None:
    """Return the tokens that the turn of ``$1`` has."""
    [found] = await TurnAdmin(database).find("$1")
    return found.usage


async def test_a_repeated_request_is_counted_once(database: Database, store: UsageStore, turn: Turn) -> None:
    assert await reported(database) is None
    await store.record([used(turn, Usage(10, 2), key="a")])
    await store.record([used(turn, Usage(11, 3, 4), key="a")])
    assert await rows(database) == [("a", 11, 3, False)]
    assert await reported(database) == Usage(11, 3, 4)


async def test_the_turn_has_the_sum_of_all_its_requests(database: Database, store: UsageStore, turn: Turn) -> None:
    await store.record([used(turn, Usage(10, 2), key="a"), used(turn, Usage(1, 1, 1), key="b")])
    await store.record([used(turn, Usage(20, 5), key="c")])
    assert await reported(database) == Usage(31, 8, 1)


async def test_a_report_replaces_an_estimate_and_never_the_other_way(
    database: Database, store: UsageStore, turn: Turn
) -> None:
    estimate = used(turn, Usage(100, 50), key="a", is_estimated=True)
    await store.record([estimate])
    # People see only reported numbers in the trace.
    assert await reported(database) is None
    await store.record([used(turn, Usage(10, 2), key="a")])
    await store.record([estimate])
    assert await rows(database) == [("a", 10, 2, False)]
    assert await reported(database) == Usage(10, 2)


async def test_the_commit_of_an_answer_writes_its_tokens(database: Database, store: UsageStore, turn: Turn) -> None:
    await store.record([used(turn, Usage(1, 1), key="earlier")])
    await Turns(database).commit(turn, "x", error=None, parts=[0], used=[used(turn, Usage(10, 2), key="a")])
    assert await rows(database) == [("a", 10, 2, False), ("earlier", 1, 1, False)]
    assert await reported(database) == Usage(11, 3)


async def test_a_commit_without_tokens_keeps_those_of_the_turn(
    database: Database, store: UsageStore, turn: Turn
) -> None:
    await store.record([used(turn, Usage(10, 2), key="a")])
    await Turns(database).commit(turn, "x", error=None, parts=[0])
    assert await reported(database) == Usage(10, 2)


async def test_a_request_that_ends_after_the_erasure_of_its_person_leaves_nothing(
    database: Database, store: UsageStore, turn: Turn
) -> None:
    query = "INSERT INTO operation (kind, key, params, cursor, requested_by) VALUES ('erase', 'e', %s, %s, '')"
    await database.execute(query, (json.dumps({"user": BOB}), json.dumps({"until": turn.id})))
    title = replace(used(turn, Usage(1, 1)), turn=None)
    await store.record([used(turn, Usage(10, 2), key="answer")])
    await store.record_left([used(turn, Usage(10, 0), key="answer#1")])
    await store.record([replace(title, key="title", origin=turn.id)])
    # Other people, and requests of later messages.
    await store.record([replace(title, key="other", origin=turn.id, user=ALICE)])
    await store.record([replace(title, key="later", origin=turn.id + 1)])
    assert await rows(database) == [("later", 1, 1, False), ("other", 1, 1, False)]


async def test_an_answer_to_a_redacted_question_has_used_its_tokens(database: Database, turn: Turn) -> None:
    await note(database, redaction("$1"))
    entry = used(turn, Usage(10, 2), key="a")
    stopped = await Turns(database).commit(turn, "x", error=None, parts=[0], used=[entry])
    assert stopped in {StopReason.REDACTED, StopReason.WITHDRAWN}
    assert await rows(database) == [("a", 10, 2, False)]


async def test_tokens_stay_when_their_turn_is_gone(database: Database, store: UsageStore, turn: Turn) -> None:
    await store.record([used(turn, Usage(10, 2), key="a")])
    await database.execute("DELETE FROM turn")
    await store.record([used(turn, Usage(10, 2), key="b")])
    assert await rows(database) == [("a", 10, 2, False), ("b", 10, 2, False)]


async def test_impossible_numbers_do_not_end_an_answer(database: Database, turn: Turn) -> None:
    entry = used(turn, Usage(10**12, 10**12), cost=Decimal(10) ** 30 / 7)
    assert await Turns(database).commit(turn, "x", error=None, parts=[0], used=[entry]) is None
    assert await reported(database) == Usage(10**12, 10**12)


async def test_an_attempt_whose_process_was_killed_is_counted_once(
    database: Database, store: UsageStore, turn: Turn
) -> None:
    await store.record([used(turn, Usage(10, 2), key="k.0.one#1")])
    left = [used(turn, Usage(7, 0), key=f"k.0.two#{attempt}", is_estimated=True) for attempt in (1, 2)]
    for _ in range(2):
        await store.record_left(left)
    assert await rows(database) == [("k.0.one#1", 10, 2, False), ("k.0.two#2", 7, 0, True)]


async def test_a_worker_learns_which_attempts_were_left(database: Database) -> None:
    (lane,) = await accept(database, new("$1", ROOM, await add_agent(database)))
    turns = Turns(database)
    assert (await take(database, lane)).left_attempts == ()
    second = await take(database, lane)
    assert second.left_attempts == (1,)
    await turns.put_back(second, delay=0, failed=True, why="busy")
    assert (await take(database, lane)).left_attempts == (1,)
    assert (await take(database, lane)).left_attempts == (1, 3)


# Sums


def at_noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


async def add(store: UsageStore, database: Database, turn: Turn, at: datetime, **changes: Any) -> None:
    """Add a request of 10 tokens and 0.1 at a time."""
    key = changes.pop("key", f"{at.isoformat()}{changes}")
    await store.record([used(turn, Usage(8, 2), key=key, **({"cost": Decimal("0.1")} | changes))])
    await database.execute("UPDATE usage SET at = %s WHERE key = %s", (at, key))


async def sums(store: UsageStore, turn: Turn, since: datetime, zone: Any = UTC) -> Sequence[UsageSum]:
    """Return the sums of the user, the role, the room, the agent and the upstream of *turn*, and of Alice."""
    assert turn.agent is not None
    wanted = {
        "user": BOB,
        "role": "member",
        "room": ROOM,
        "agent": str(turn.agent.id),
        "upstream": turn.agent.upstream,
    }
    asked = [WantedSum(per, key, since) for per, key in wanted.items()]
    return await store.sums([*asked, WantedSum("user", ALICE, since)], zone)


async def test_each_subject_has_its_sum(database: Database, store: UsageStore, turn: Turn) -> None:
    now = datetime.now(UTC)
    nothing = UsageSum(0, Decimal(0))
    assert await sums(store, turn, now - timedelta(days=1)) == [nothing] * 6
    await add(store, database, turn, now)
    await add(store, database, turn, now, user=ALICE, role="admin", room_id=OTHER, cost=None)
    await add(store, database, turn, now - timedelta(days=2))
    one, both = UsageSum(10, Decimal("0.1")), UsageSum(20, Decimal("0.1"))
    found = await sums(store, turn, now - timedelta(days=1))
    assert found == [one, one, one, both, both, UsageSum(10, Decimal(0))]


async def test_ended_days_are_added_up_once(database: Database, store: UsageStore, turn: Turn) -> None:
    today = datetime.now(UTC).date()
    month = at_noon(today) - timedelta(days=20)
    for days in (0, 1, 2, 10):
        await add(store, database, turn, at_noon(today) - timedelta(days=days))
    before = await sums(store, turn, Period.DAY.start(month, UTC))
    assert before[0] == UsageSum(40, Decimal("0.4"))
    duty = UsageDays(store, Live(QuotaBook((), UTC)))
    for _ in range(2):
        await duty.look()
        assert await sums(store, turn, Period.DAY.start(month, UTC)) == before
    # The sums of ended days do not come from the requests any more.
    await database.execute("DELETE FROM usage WHERE at < now() - interval '5 days'")
    assert await sums(store, turn, Period.DAY.start(month, UTC)) == before
    # A request of yesterday that is recorded late is found when the next day has ended.
    await add(store, database, turn, at_noon(today) - timedelta(days=1), key="late")
    yesterday = today - timedelta(days=1)
    await database.execute(
        "UPDATE kv SET value = value || jsonb_build_object('until', %s::date, 'since', %s::timestamptz)",
        (yesterday, Period.DAY.start(at_noon(yesterday), UTC)),
    )
    await duty.look()
    assert (await sums(store, turn, Period.DAY.start(month, UTC)))[0] == UsageSum(50, Decimal("0.5"))
    assert (await sums(store, turn, Period.DAY.start(at_noon(today), UTC)))[0] == UsageSum(10, Decimal("0.1"))


async def test_days_are_added_up_one_by_one(database: Database, store: UsageStore, turn: Turn) -> None:
    """All days at once would exceed the time limit of a statement. A failure in between loses none."""
    today = datetime.now(UTC).date()
    month = at_noon(today) - timedelta(days=20)
    for days in (0, 1, 2, 10):
        await add(store, database, turn, at_noon(today) - timedelta(days=days))
    before = await sums(store, turn, Period.DAY.start(month, UTC))
    await database.execute(
        "ALTER TABLE usage_day ADD CONSTRAINT full_disk CHECK (day <> (now() AT TIME ZONE 'UTC')::date - 2)"
    )
    duty = UsageDays(store, Live(QuotaBook((), UTC)))
    try:
        with pytest.raises(StoreError):
            await duty.look()
        assert await database.rows("SELECT day FROM usage_day") == [{"day": today - timedelta(days=10)}]
        assert await sums(store, turn, Period.DAY.start(month, UTC)) == before
    finally:
        await database.execute("ALTER TABLE usage_day DROP CONSTRAINT full_disk")
    await duty.look()
    assert len(await database.rows("SELECT day FROM usage_day")) == 3
    assert await sums(store, turn, Period.DAY.start(month, UTC)) == before


async def test_without_requests_nothing_is_written(database: Database, store: UsageStore, turn: Turn) -> None:
    await add(store, database, turn, datetime.now(UTC))
    await UsageDays(store, Live(QuotaBook((), UTC))).look()
    assert await database.rows("SELECT key FROM kv UNION ALL SELECT user_id FROM usage_day") == []


async def test_between_two_days_nothing_is_written(database: Database, store: UsageStore, turn: Turn) -> None:
    await add(store, database, turn, datetime.now(UTC) - timedelta(days=2))
    duty = UsageDays(store, Live(QuotaBook((), UTC)))
    await duty.look()
    before = await database.rows("SELECT xmin::text, key FROM kv UNION ALL SELECT xmin::text, user_id FROM usage_day")
    await duty.look()
    after = await database.rows("SELECT xmin::text, key FROM kv UNION ALL SELECT xmin::text, user_id FROM usage_day")
    assert before == after
    assert len(before) == 2


async def test_another_time_zone_has_other_days(database: Database, store: UsageStore, turn: Turn) -> None:
    today = datetime.now(UTC).date()
    late = datetime(today.year, today.month, today.day, 23, 30, tzinfo=UTC) - timedelta(days=9)
    await add(store, database, turn, late)
    for zone in (UTC, OSLO, UTC):
        await UsageDays(store, Live(QuotaBook((), zone))).look()
        [row] = await database.rows("SELECT day, tokens FROM usage_day")
        assert row == {"day": late.astimezone(zone).date(), "tokens": 10}
        since = Period.DAY.start(late, zone)
        assert (await sums(store, turn, since, zone))[0] == UsageSum(10, Decimal("0.1"))
    # A process with the other configuration does not use these days.
    assert (await sums(store, turn, Period.DAY.start(late, OSLO), OSLO))[0] == UsageSum(10, Decimal("0.1"))


async def test_old_rows_are_deleted(database: Database, store: UsageStore, turn: Turn) -> None:
    now = datetime.now(UTC)
    await add(store, database, turn, now - timedelta(days=63))
    await add(store, database, turn, now - timedelta(days=61))
    assert turn.agent is not None
    await database.execute(
        "INSERT INTO usage_day VALUES ('@b:x', current_date - 402, 'member', '!r', %s, 'up', 1, 1)", (turn.agent.id,)
    )
    await UsageDays(store, Live(QuotaBook((), UTC))).look()
    assert len(await rows(database)) == 1
    assert [row["user_id"] for row in await database.rows("SELECT user_id FROM usage_day")] == [BOB]


def test_a_day_of_the_change_to_summer_time_has_23_hours() -> None:
    found = spans(date(2026, 3, 28), date(2026, 3, 31), OSLO)
    assert [each.end - each.start for each in found] == [timedelta(hours=hours) for hours in (24, 23, 24)]
    assert [each.end for each in found[:-1]] == [each.start for each in found[1:]]


# Messages


async def test_each_message_of_a_minute_has_its_place(database: Database, store: UsageStore) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    asked = [
        new("$1", ROOM, frida),
        new("$2", OTHER, gala, sender=ALICE),
        new("$3", ROOM, frida),
        new("$4", ROOM, frida, kind=TurnKind.COMMAND),
    ]
    await accept(database, *asked)
    await database.execute("UPDATE turn SET created_at = date_trunc('minute', now()) + id * interval '1 microsecond'")
    ids = {row["event_id"]: row["id"] for row in await database.rows("SELECT id, event_id FROM turn")}
    places = {event: {each.sender: each.messages for each in await store.recent(ids[event])} for event in ids}
    assert places["$1"] == {BOB: 1}
    assert places["$2"] == {BOB: 1, ALICE: 1}
    assert places["$3"] == {BOB: 2, ALICE: 1}
