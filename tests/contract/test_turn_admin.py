"""Commands of people about turns, on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.changes import StopRequest
from agent_bridge.core.ids import turn_key
from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import Ignored, IgnoreReason, StopReason, TurnKind, TurnState
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from support.turn_rows import BOB, OTHER, ROOM, accept, add_agent, collect, finish, new, order, row_of, stop, take

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.turn_admin import TurnSummary


@pytest.fixture
def turn_admin(database: Database) -> TurnAdmin:
    return TurnAdmin(database)


async def close(database: Database, lane: int, state: TurnState, error: str | None = None) -> None:
    """Claim the head of *lane* and close it, as shown by one event."""
    turns, turn = Turns(database), await take(database, lane)
    await turns.commit(turn, "answer", error=error, parts=range(1))
    await turns.finish(turn, state, {0: f"$answer-to-{turn.event_id[1:]}"})


async def retry(database: Database, event_id: str, by: str = "$retry") -> int | None:
    async with database.transaction() as connection:
        return await TurnAdmin(database).retry(connection, (await row_of(database, event_id))["id"], by)


async def drop(database: Database, event_id: str, by: str = "$drop") -> int | None:
    async with database.transaction() as connection:
        return await TurnAdmin(database).drop(connection, (await row_of(database, event_id))["id"], by)


def alike(digits: int) -> tuple[str, str]:
    """Return two events. The keys of their turns agree in the first *digits* digits and differ in the next one."""
    seen: dict[str, str] = {}
    for number in range(100_000):
        event, start = f"$alike{number}", key_of(f"$alike{number}")[:digits]
        if start in seen and key_of(seen[start])[digits] != key_of(event)[digits]:
            return seen[start], event
        seen[start] = event
    raise AssertionError("no two are alike")


def key_of(event_id: str) -> str:
    return turn_key(event_id, "bot")


async def find(turn_admin: TurnAdmin, reference: str) -> TurnSummary:
    """Return the one turn that *reference* names."""
    (summary,) = await turn_admin.find(reference)
    return summary


async def test_a_turn_is_found_by_its_names_its_question_and_its_answer(
    database: Database, turn_admin: TurnAdmin, agent: int
) -> None:
    lane, _ = await accept(database, new("$1", ROOM, agent), new("$2", OTHER))
    await close(database, lane, TurnState.FAILED, "it broke")
    key = turn_key("$1", f"agent_{agent}")
    for reference in ("$1", key, key[:4], key[:15], "$answer-to-1"):
        summary = await find(turn_admin, reference)
        assert (summary.event_id, summary.key, summary.room_id, summary.conversation) == ("$1", key, ROOM, lane)
        assert (summary.agent, summary.kind, summary.sender) == ("Frida", TurnKind.MESSAGE, BOB)
        assert (summary.state, summary.error) == (TurnState.FAILED, "it broke")
        assert (summary.attempts, summary.failures, summary.interruptions, summary.retries) == (1, 0, 0, 0)
        assert [step.name for step in summary.steps] == ["taken_up", "answered", "failed"]
        assert summary.started_at is not None
        assert summary.finished_at is not None
        assert summary.created_at <= summary.started_at <= summary.steps[0].at <= summary.finished_at
    sends = await Turns(database).sends((await row_of(database, "$1"))["id"])
    assert [send.event_id for send in sends] == ["$answer-to-1"]
    other = await find(turn_admin, "$2")
    assert (other.agent, other.state, other.started_at) == (None, TurnState.QUEUED, None)


@pytest.mark.parametrize(
    "reference", ["", "$", "$3", "abc", key_of("$1")[:3], key_of("$1") + "0", key_of("$1").upper(), "%", "____"]
)
async def test_unknown_names_find_no_turn(database: Database, turn_admin: TurnAdmin, reference: str) -> None:
    await accept(database, new("$1"), new("$2"))
    assert await turn_admin.find(reference) == []


async def test_a_name_that_fits_two_finds_none(database: Database, turn_admin: TurnAdmin) -> None:
    first, second = alike(4)
    await accept(database, new(first), new(second))
    assert await turn_admin.find(key_of(first)[:4]) == []
    found = [await find(turn_admin, key_of(event)[:5]) for event in (first, second)]
    assert [summary.event_id for summary in found] == [first, second]


async def test_an_event_names_all_of_its_turns_and_an_answer_one(database: Database, turn_admin: TurnAdmin) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    lanes = await accept(database, new("$1", "!group", frida, gala))
    for lane, shown in zip(lanes, ("$of-frida", "$of-gala"), strict=True):
        turn = await take(database, lane)
        await Turns(database).commit(turn, "answer", error=None, parts=[0])
        await Turns(database).finish(turn, TurnState.DONE, {0: shown})
    assert [summary.agent for summary in await turn_admin.find("$1")] == ["Frida", "Gala"]
    assert (await find(turn_admin, "$of-gala")).agent == "Gala"
    for summary in await turn_admin.find("$1"):
        assert await turn_admin.find(summary.key) == [summary]


async def test_a_turn_tells_into_which_it_was_collected(database: Database, turn_admin: TurnAdmin) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    await collect(database, await take(database, lane))
    summary, head = await find(turn_admin, "$2"), await find(turn_admin, "$1")
    assert (summary.state, summary.collected_into, summary.head) == (TurnState.COLLECTED, "$1", head.id)
    assert (head.collected_into, head.head) == (None, None)


async def test_open_turns_stand_as_they_will_be_taken_up(database: Database, turn_admin: TurnAdmin) -> None:
    (lane,) = await accept(database, new("$b1", "!b"))
    await accept(database, new("$a1", "!a"), new("$b2", "!b"), new("$a2", "!a"))
    assert [summary.event_id for summary in await turn_admin.open(10)] == ["$a1", "$a2", "$b1", "$b2"]
    await finish(database, await take(database, lane))
    await take(database, lane)
    assert [summary.event_id for summary in await turn_admin.open(2)] == ["$a1", "$a2"]
    assert [summary.state for summary in await turn_admin.open(3)] == [
        TurnState.QUEUED,
        TurnState.QUEUED,
        TurnState.RUNNING,
    ]


async def test_failures_are_listed_newest_first(database: Database, turn_admin: TurnAdmin) -> None:
    (lane,) = await accept(database, *(new(f"${number}") for number in range(4)))
    for state in (TurnState.FAILED, TurnState.DONE, TurnState.FAILED):
        await close(database, lane, state, "broke")
    assert [summary.event_id for summary in await turn_admin.failed(10)] == ["$2", "$0"]
    assert [summary.event_id for summary in await turn_admin.failed(1)] == ["$2"]


async def test_why_something_was_ignored(database: Database, turn_admin: TurnAdmin) -> None:
    async with database.transaction() as connection:
        await IntakeStore(database).ignore(connection, [Ignored("$1", ROOM, IgnoreReason.NOTICE)])
    assert await turn_admin.ignored("$1") == IgnoreReason.NOTICE
    assert await turn_admin.ignored("$2") is None


async def test_how_many_a_stop_meant(database: Database, turn_admin: TurnAdmin) -> None:
    await accept(database, new("$1"), new("$2"))
    await stop(database, StopRequest(ROOM, "$wish", "$1"), StopRequest(ROOM, "$wish", "$2"))
    assert await turn_admin.stopped_by("$wish") == 2
    assert await turn_admin.stopped_by("$other") == 0


@pytest.mark.parametrize("state", [TurnState.FAILED, TurnState.STOPPED, TurnState.DONE])
async def test_a_closed_message_is_retried_behind_waiting_messages(
    database: Database, turn_admin: TurnAdmin, state: TurnState
) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"), new("$3"))
    await database.execute("UPDATE turn SET said_at = now() - interval '3 days', failures = 2, interruptions = 1")
    turns, turn = Turns(database), await take(database, lane)
    assert await collect(database, turn) == ["$2", "$3"]
    await stop(database, StopRequest(ROOM, "$wish", "$1"))
    await turns.commit(turn, "old", error="it broke", parts=range(2))
    await turns.finish(turn, state, {0: "$a0", 1: "$a1"})
    await accept(database, new("$4"))
    assert await retry(database, "$1") == lane
    assert await order(database) == ["$4", "$1"]
    row = await row_of(database, "$1")
    reset: dict[str, Any] = {"failures": 0, "interruptions": 0, "retries": 1, "state": TurnState.QUEUED}
    reset |= dict.fromkeys(["answer", "error", "stop", "stopped_by", "not_before", "finished_at"])
    assert {key: row[key] for key in reset} == reset
    assert {**row["steps"][-1], "at": ""} == {"at": "", "what": "retried", "by": "$retry"}
    await finish(database, await take(database, lane))
    again = await take(database, lane)
    # The turn keeps its sent events and its collected messages. Its attempt differs from that of an older worker.
    assert (again.event_id, again.attempts, again.state, again.stop) == ("$1", 2, TurnState.RUNNING, None)
    assert again.collected == (MessagePayload("body of $2"), MessagePayload("body of $3"))
    assert again.age < 60
    assert [send.event_id for send in await Turns(database).sends(again.id)] == ["$a0", "$a1"]
    assert await turn_admin.stopped_by("$wish") == 0


async def test_only_closed_messages_are_retried(database: Database, agent: int) -> None:
    lane, bots = await accept(
        database,
        *(new(f"${number}", ROOM, agent) for number in range(3)),
        new("$command", kind=TurnKind.COMMAND),
    )
    turns, turn = Turns(database), await take(database, lane)
    await finish(database, await take(database, bots))
    await collect(database, turn)
    await accept(database, new("$open", ROOM, agent))
    for event in ("$0", "$1", "$open", "$command"):
        assert await retry(database, event) is None, event
    await turns.commit(turn, "x", error=None, parts=range(1))
    assert await retry(database, "$0") is None
    assert await order(database) == ["$0", "$open"]


async def test_a_transcript_is_forgotten_only_when_its_question_is_asked_again(database: Database) -> None:
    async def transcript() -> int:
        row = await database.row("SELECT count(*) AS messages FROM message")
        return 0 if row is None else int(row["messages"])

    (lane,) = await accept(database, new("$1"))
    turns, turn = Turns(database), await take(database, lane)
    await turns.commit(turn, "x", error=None, parts=range(1), transcript=[ChatMessage("user", "hi")])
    assert await retry(database, "$1") is None
    assert await transcript() == 1
    await turns.finish(turn, TurnState.DONE, {})
    assert await retry(database, "$1") == lane
    assert await transcript() == 0
    again = await take(database, lane)
    await turns.commit(again, "y", error=None, parts=range(1), transcript=[ChatMessage("user", "hi")])
    await turns.finish(again, TurnState.DONE, {})


async def test_an_open_message_is_dropped_at_the_head_of_its_lane(database: Database, agent: int) -> None:
    (lane,) = await accept(database, new("$1", ROOM, agent), new("$2", ROOM, agent))
    turns = Turns(database)
    await turns.put_back(await take(database, lane), delay=60, failed=True, why="the upstream is away")
    assert await drop(database, "$1") == lane
    assert await drop(database, "$2") == lane
    for event in ("$1", "$2"):
        turn = await take(database, lane)
        assert (turn.event_id, turn.stop) == (event, StopReason.DROPPED)
        assert await turns.stops([turn.id]) == {turn.id: StopReason.DROPPED}
        await finish(database, turn, TurnState.FAILED)
    row = await row_of(database, "$1")
    assert row["stopped_by"] == "$drop"


async def test_an_administrators_word_counts_more_than_a_stop(database: Database) -> None:
    (lane,) = await accept(database, new("$1"))
    await stop(database, StopRequest(ROOM, "$wish", "$1"))
    assert await drop(database, "$1") == lane
    assert await stop(database, StopRequest(ROOM, "$late", "$1")) == []
    assert (await take(database, lane)).stop is StopReason.DROPPED


async def test_only_unanswered_messages_are_dropped(database: Database, agent: int) -> None:
    lane, _ = await accept(database, new("$1", ROOM, agent), new("$command", kind=TurnKind.COMMAND))
    assert await drop(database, "$command") is None
    turns, turn = Turns(database), await take(database, lane)
    await turns.commit(turn, "x", error=None, parts=range(1))
    assert await drop(database, "$1") is None
    await finish(database, turn)
    assert await drop(database, "$1") is None
