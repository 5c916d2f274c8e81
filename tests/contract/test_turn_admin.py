"""What people ask about turns, and their word on them, on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.ids import turn_key
from agent_bridge.core.turns import BOT_THREAD, Ignored, Reason, Stop, StopRequest, TurnKind, TurnState
from agent_bridge.store.intake import Inbox
from agent_bridge.store.turn_admin import Ledger
from agent_bridge.store.turns import Turns
from support.turn_rows import BOB, OTHER, ROOM, accept, add_portal, collect, finish, new, order, row_of, stop, take

if TYPE_CHECKING:
    from agent_bridge.store.database import Database


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


@pytest.fixture
async def portal(database: Database) -> int:
    return await add_portal(database)


async def close(database: Database, lane: int, state: TurnState, error: str | None = None) -> None:
    """Take the head of *lane* up and close it, as shown by one event."""
    turns, turn = Turns(database), await take(database, lane)
    await turns.answered(turn, "answer", error=error, parts=range(1))
    await turns.finish(turn, state, {0: f"$answer-to-{turn.event_id[1:]}"})


async def retry(database: Database, event_id: str) -> int | None:
    async with database.transaction() as connection:
        return await Ledger(database).retry(connection, (await row_of(database, event_id))["id"])


async def drop(database: Database, event_id: str) -> int | None:
    async with database.transaction() as connection:
        return await Ledger(database).drop(connection, (await row_of(database, event_id))["id"], "$drop")


def alike(digits: int) -> tuple[str, str]:
    """Return two events whose turns' names begin with the same *digits* digits, and go on with different ones."""
    seen: dict[str, str] = {}
    for number in range(100_000):
        event, start = f"$alike{number}", turn_key(f"$alike{number}")[:digits]
        if start in seen and turn_key(seen[start])[digits] != turn_key(event)[digits]:
            return seen[start], event
        seen[start] = event
    raise AssertionError("no two are alike")


async def test_a_turn_is_found_by_its_names_its_question_and_its_answer(
    database: Database, ledger: Ledger, portal: int
) -> None:
    lane, _ = await accept(database, new("$1", portal=portal), new("$2", OTHER))
    await close(database, lane, TurnState.FAILED, "it broke")
    key = turn_key("$1")
    for reference in ("$1", key, key[:4], key[:15], "$answer-to-1"):
        entry = await ledger.find(reference)
        assert entry is not None, reference
        assert (entry.event_id, entry.key, entry.room_id, entry.conversation) == ("$1", key, ROOM, lane)
        assert (entry.agent, entry.kind, entry.sender) == ("Frida", TurnKind.MESSAGE, BOB)
        assert (entry.state, entry.error) == (TurnState.FAILED, "it broke")
        assert (entry.attempts, entry.failures, entry.interruptions, entry.retries) == (1, 0, 0, 0)
        assert [step.what for step in entry.steps] == ["taken_up", "answered", "failed"]
        assert entry.started_at is not None
        assert entry.finished_at is not None
        assert entry.created_at <= entry.started_at <= entry.steps[0].at <= entry.finished_at
    sends = await Turns(database).sends((await row_of(database, "$1"))["id"])
    assert [send.event_id for send in sends] == ["$answer-to-1"]
    other = await ledger.find("$2")
    assert other is not None
    assert (other.agent, other.state, other.started_at) == (None, TurnState.QUEUED, None)


@pytest.mark.parametrize("reference", ["", "$", "$3", "abc", turn_key("$1")[:3], turn_key("$1") + "0", "%", "____"])
async def test_what_names_no_turn_finds_none(database: Database, ledger: Ledger, reference: str) -> None:
    await accept(database, new("$1"), new("$2"))
    assert await ledger.find(reference) is None


async def test_a_name_that_fits_two_finds_none(database: Database, ledger: Ledger) -> None:
    first, second = alike(4)
    await accept(database, new(first), new(second))
    assert await ledger.find(turn_key(first)[:4]) is None
    found = [await ledger.find(turn_key(event)[:5]) for event in (first, second)]
    assert [entry.event_id for entry in found if entry] == [first, second]


async def test_a_turn_tells_into_which_it_was_collected(database: Database, ledger: Ledger) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    await collect(database, await take(database, lane))
    entry, head = await ledger.find("$2"), await ledger.find("$1")
    assert entry is not None
    assert head is not None
    assert (entry.state, entry.collected_into) == (TurnState.COLLECTED, "$1")
    assert head.collected_into is None


async def test_open_turns_stand_as_they_will_be_taken_up(database: Database, ledger: Ledger) -> None:
    (lane,) = await accept(database, new("$b1", "!b"))
    await accept(database, new("$a1", "!a"), new("$b2", "!b"), new("$a2", "!a"))
    assert [entry.event_id for entry in await ledger.open(10)] == ["$a1", "$a2", "$b1", "$b2"]
    await finish(database, await take(database, lane))
    await take(database, lane)
    assert [entry.event_id for entry in await ledger.open(2)] == ["$a1", "$a2"]
    assert [entry.state for entry in await ledger.open(3)] == [TurnState.QUEUED, TurnState.QUEUED, TurnState.RUNNING]


async def test_failures_are_listed_newest_first(database: Database, ledger: Ledger) -> None:
    (lane,) = await accept(database, *(new(f"${number}") for number in range(4)))
    for state in (TurnState.FAILED, TurnState.DONE, TurnState.FAILED):
        await close(database, lane, state, "broke")
    assert [entry.event_id for entry in await ledger.failed(10)] == ["$2", "$0"]
    assert [entry.event_id for entry in await ledger.failed(1)] == ["$2"]


async def test_why_something_was_ignored(database: Database, ledger: Ledger) -> None:
    async with database.transaction() as connection:
        await Inbox(database).ignore(connection, [Ignored("$1", ROOM, Reason.NOTICE)])
    assert await ledger.ignored("$1") == Reason.NOTICE
    assert await ledger.ignored("$2") is None


async def test_how_many_a_stop_meant(database: Database, ledger: Ledger) -> None:
    await accept(database, new("$1"), new("$2"))
    await stop(database, StopRequest(ROOM, "$wish", "$1"), StopRequest(ROOM, "$wish", "$2"))
    assert await ledger.stopped_by("$wish") == 2
    assert await ledger.stopped_by("$other") == 0


@pytest.mark.parametrize("state", [TurnState.FAILED, TurnState.STOPPED, TurnState.DONE])
async def test_a_closed_message_is_asked_anew_behind_what_waits(
    database: Database, ledger: Ledger, state: TurnState
) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"), new("$3"))
    await database.execute("UPDATE turn SET said_at = now() - interval '3 days', failures = 2, interruptions = 1")
    turns, turn = Turns(database), await take(database, lane)
    assert await collect(database, turn) == ["$2", "$3"]
    await stop(database, StopRequest(ROOM, "$wish", "$1"))
    await turns.answered(turn, "old", error="it broke", parts=range(2))
    await turns.finish(turn, state, {0: "$a0", 1: "$a1"})
    await accept(database, new("$4"))
    assert await retry(database, "$1") == lane
    assert await order(database) == ["$4", "$1"]
    row = await row_of(database, "$1")
    reset: dict[str, Any] = {"failures": 0, "interruptions": 0, "retries": 1, "state": TurnState.QUEUED}
    reset |= dict.fromkeys(["answer", "error", "stop", "stopped_by", "not_before", "finished_at"])
    assert {key: row[key] for key in reset} == reset
    assert row["steps"][-1]["what"] == "retried"
    await finish(database, await take(database, lane))
    again = await take(database, lane)
    # What it said is remembered, to be edited; so is what was collected; and no older worker can be mistaken for it.
    assert (again.event_id, again.attempts, again.state, again.stop) == ("$1", 2, TurnState.RUNNING, None)
    assert again.collected == ({"body": "body of $2"}, {"body": "body of $3"})
    assert again.age < 60
    assert [send.event_id for send in await Turns(database).sends(again.id)] == ["$a0", "$a1"]
    assert await ledger.stopped_by("$wish") == 0


async def test_what_is_not_a_closed_message_is_not_asked_anew(database: Database, portal: int) -> None:
    lane, bots = await accept(
        database,
        *(new(f"${number}", portal=portal) for number in range(3)),
        new("$command", portal=portal, kind=TurnKind.COMMAND, thread=BOT_THREAD),
    )
    turns, turn = Turns(database), await take(database, lane)
    await finish(database, await take(database, bots))
    await collect(database, turn)
    await accept(database, new("$open", portal=portal))
    for event in ("$0", "$1", "$open", "$command"):
        assert await retry(database, event) is None, event
    await turns.answered(turn, "x", error=None, parts=range(1))
    assert await retry(database, "$0") is None
    assert await order(database) == ["$0", "$open"]


async def test_an_open_message_is_dropped_at_the_head_of_its_lane(database: Database, portal: int) -> None:
    (lane,) = await accept(database, new("$1", portal=portal), new("$2", portal=portal))
    turns = Turns(database)
    await turns.put_back(await take(database, lane), delay=60, failed=True, why="the upstream is away")
    assert await drop(database, "$1") == lane
    assert await drop(database, "$2") == lane
    for event in ("$1", "$2"):
        turn = await take(database, lane)
        assert (turn.event_id, turn.stop) == (event, Stop.DROPPED)
        assert await turns.stops([turn.id]) == {turn.id: Stop.DROPPED}
        await finish(database, turn, TurnState.FAILED)
    row = await row_of(database, "$1")
    assert row["stopped_by"] == "$drop"


async def test_an_administrators_word_counts_more_than_a_stop(database: Database) -> None:
    (lane,) = await accept(database, new("$1"))
    await stop(database, StopRequest(ROOM, "$wish", "$1"))
    assert await drop(database, "$1") == lane
    assert await stop(database, StopRequest(ROOM, "$late", "$1")) == []
    assert (await take(database, lane)).stop is Stop.DROPPED


async def test_what_is_answered_or_closed_or_no_message_is_not_dropped(database: Database, portal: int) -> None:
    lane, _ = await accept(
        database, new("$1"), new("$command", portal=portal, kind=TurnKind.COMMAND, thread=BOT_THREAD)
    )
    assert await drop(database, "$command") is None
    turns, turn = Turns(database), await take(database, lane)
    await turns.answered(turn, "x", error=None, parts=range(1))
    assert await drop(database, "$1") is None
    await finish(database, turn)
    assert await drop(database, "$1") is None
