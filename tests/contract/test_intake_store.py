"""The store of incoming events on a real PostgreSQL: each is accepted once, and in order; requests to stop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.changes import StopRequest
from agent_bridge.core.errors import StoreError, StoreRefused
from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.turns import Ignored, IgnoreReason, StopReason, TurnKind, TurnState
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.turns import Turns
from support.turn_rows import (
    OTHER,
    ROOM,
    accept,
    add_agent,
    collect,
    finish,
    new,
    order,
    row_of,
    stop,
    take,
    waiting_for_a_lock,
    watch,
)

if TYPE_CHECKING:
    from agent_bridge.core.rooms import HistoryCursor
    from agent_bridge.core.turns import NewTurn


@pytest.fixture
def intake_store(database: Database) -> IntakeStore:
    return IntakeStore(database)


def aside(event_id: str) -> NewTurn:
    """A command in an agent's room."""
    return new(event_id, kind=TurnKind.COMMAND)


def wish(target: str | None, room_id: str = ROOM, event_id: str = "$wish") -> StopRequest:
    return StopRequest(room_id, event_id, target)


async def test_an_event_is_accepted_once(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$1"), new("$2"))
    assert await accept(database, new("$1"), new("$2")) == []
    assert await accept(database, new("$2"), new("$3")) == [lane]
    await finish(database, await take(database, lane))
    assert await accept(database, new("$1")) == []
    assert await turns.count_open() == {None: 2}


async def test_an_event_that_was_ignored_is_not_accepted_later(
    database: Database, intake_store: IntakeStore, turns: Turns
) -> None:
    """A backfill took the message of a muted user; the homeserver delivers it when the mute is over."""
    async with database.transaction() as connection:
        await intake_store.ignore(connection, [Ignored("$1", ROOM, IgnoreReason.MUTED)])
    (lane,) = await accept(database, new("$1"), new("$2"))
    assert await turns.count_open() == {None: 1}
    assert (await take(database, lane)).event_id == "$2"


async def test_nothing_is_accepted_when_the_transaction_fails(
    database: Database, intake_store: IntakeStore, turns: Turns
) -> None:
    async def fail() -> None:
        async with database.transaction() as connection:
            await intake_store.accept(connection, [new("$1")])
            await intake_store.ignore(connection, [Ignored("$2", ROOM, IgnoreReason.NOTICE)])
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await turns.count_open() == {}
    assert await intake_store.known(["$1", "$2"]) == set()
    assert len(await accept(database, new("$1"))) == 1


async def test_a_duplicate_dies_between_two_transactions(
    database: Database, intake_store: IntakeStore, turns: Turns, store_url: str
) -> None:
    """The second transaction waits for the first one, and finds its rows: the lane of a new room, and the event."""
    async with database.transaction() as first:
        lanes = await intake_store.accept(first, [new("$1")])
        second = asyncio.create_task(accept(database, new("$1"), new("$2")))
        await waiting_for_a_lock(store_url)
        assert not second.done()
    assert await second == lanes["$1"]
    assert await turns.count_open() == {None: 2}
    assert [row["room_id"] for row in await database.rows("SELECT room_id FROM conversation")] == [ROOM]


async def test_the_second_accepts_what_the_first_rolled_back(
    database: Database, intake_store: IntakeStore, store_url: str
) -> None:
    seconds: list[asyncio.Task[list[int]]] = []

    async def roll_back() -> None:
        async with database.transaction() as first:
            await intake_store.accept(first, [new("$1")])
            seconds.append(asyncio.create_task(accept(database, new("$1"))))
            await waiting_for_a_lock(store_url)
            raise LookupError

    with pytest.raises(LookupError):
        await roll_back()
    (lane,) = await seconds[0]
    assert (await take(database, lane)).event_id == "$1"


async def test_many_at_once_make_one_lane(database: Database, turns: Turns) -> None:
    lanes = await asyncio.gather(*(accept(database, new(f"${number}"), new("$same")) for number in range(20)))
    assert len({lane for each in lanes for lane in each}) == 1
    assert await turns.count_open() == {None: 21}


async def test_the_bot_has_a_lane_of_its_own_in_an_agents_room(database: Database) -> None:
    agent = await add_agent(database)
    lanes = await accept(database, new("$1", ROOM, agent), aside("$2"), aside("$3"))
    assert len(lanes) == 2
    turns = [await take(database, lane) for lane in lanes]
    assert [turn.event_id for turn in turns] == ["$1", "$2"]
    assert [turn.agent and turn.agent.id for turn in turns] == [agent, None]
    kinds = await database.rows("SELECT lane_kind FROM conversation ORDER BY id")
    assert [row["lane_kind"] for row in kinds] == ["agent", "bot"]


async def test_each_agent_of_a_room_has_a_lane_and_each_thread_another(database: Database) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    both = await accept(database, new("$1", "!group", frida, gala))
    threads = await accept(database, new("$2", "!group", frida, gala, thread="$root"))
    assert len({*both, *threads}) == 4
    assert await accept(database, new("$3", "!group", frida, gala)) == both
    assert await accept(database, new("$4", "!group", gala, thread="$root")) == threads[1:]


async def test_an_event_that_is_known_is_not_written_for_anybody_else(database: Database) -> None:
    """Another agent joined the room, or the lane was full, when the homeserver repeated the event."""
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    await accept(database, new("$1", ROOM, frida))
    assert await accept(database, new("$1", ROOM, frida, gala)) == []
    assert await accept(database, new("$1", kind=TurnKind.REFUSAL)) == []


async def test_a_refusal_is_told_once(database: Database, intake_store: IntakeStore) -> None:
    refusals = [replace(new(f"${number}", kind=TurnKind.REFUSAL), once_key="once") for number in range(4)]
    (lane,) = await accept(database, *refusals[:2])
    await finish(database, await take(database, lane))
    assert await accept(database, *refusals) == []
    assert await accept(database, replace(refusals[3], once_key="another")) == [lane]
    assert await intake_store.known([refusal.event_id for refusal in refusals]) == {"$0", "$3"}


async def test_nul_in_a_payload_is_refused_and_leaves_nothing(database: Database, turns: Turns) -> None:
    """For this reason the endpoint rejects events with NUL."""
    with pytest.raises(StoreRefused, match="the database failed: "):
        await accept(database, new("$1"), new("$2", payload=MessagePayload("a\0b")))
    assert await turns.count_open() == {}


@pytest.mark.parametrize(
    ("milliseconds", "age"),
    [
        pytest.param(0, 0, id="not known"),
        pytest.param(-5, 0, id="before all time"),
        pytest.param(-3_600_000, 3600, id="an hour ago"),
        pytest.param(3_600_000, 0, id="a homeserver whose clock is ahead"),
    ],
)
async def test_a_message_is_as_old_as_the_homeserver_says(database: Database, milliseconds: int, age: float) -> None:
    said_at = milliseconds
    if abs(milliseconds) > 5:
        said_at += int(datetime.now(UTC).timestamp() * 1000)
    (lane,) = await accept(database, new("$1", said_at=said_at))
    assert (await take(database, lane)).age == pytest.approx(age, abs=5)


async def test_accepted_and_ignored_events_are_known(database: Database, intake_store: IntakeStore) -> None:
    (lane,) = await accept(database, new("$open"), new("$closed"))
    for _ in range(2):
        await finish(database, await take(database, lane))
    ignored = [
        Ignored("$ignored", ROOM, IgnoreReason.NOTICE),
        Ignored("$ignored", ROOM, IgnoreReason.CHANGE),
        Ignored("$i2", ROOM, IgnoreReason.NO_TEXT),
    ]
    async with database.transaction() as connection:
        await intake_store.ignore(connection, ignored)
        await intake_store.ignore(connection, ignored)
    asked = ["$open", "$closed", "$ignored", "$new", "$open"]
    assert await intake_store.known(asked) == {"$open", "$closed", "$ignored"}
    assert await intake_store.known([]) == set()
    rows = await database.rows("SELECT event_id, room_id, reason FROM ignored ORDER BY event_id")
    assert [tuple(row.values()) for row in rows] == [
        ("$i2", ROOM, IgnoreReason.NO_TEXT),
        ("$ignored", ROOM, IgnoreReason.NOTICE),
    ]


async def test_unusable_events_become_dead_letters(database: Database, intake_store: IntakeStore) -> None:
    await intake_store.add_dead_letter("txn", "too deep", "[[[🐈")
    await intake_store.add_dead_letter("txn", "too deep", "[[[🐈")
    rows = await database.rows("SELECT transaction_id, reason, body FROM dead_letter")
    assert [tuple(row.values()) for row in rows] == [("txn", "too deep", "[[[🐈")] * 2


async def put_in_order(database: Database, room: HistoryCursor, *event_ids: str) -> None:
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, [room.room_id])
        await IntakeStore(database).put_in_order(connection, room, event_ids)


@pytest.mark.parametrize(
    ("before", "meanwhile", "told", "expected"),
    [
        pytest.param("", "", "", "", id="nothing"),
        pytest.param("a c", "b", "a b c", "a b c", id="a missed one in the middle"),
        pytest.param("b", "a", "a b", "a b", id="a missed one before"),
        pytest.param("a", "b", "a b", "a b", id="a missed one after"),
        pytest.param("x a", "b", "b a", "x b a", id="what was there and is not told of is older"),
        pytest.param("a", "b y", "b a", "b a y", id="what came meanwhile and is not told of is newer"),
        pytest.param("x c", "y b", "a b c", "x b c y", id="all of it, and told of one that is no turn"),
        pytest.param("c b a", "", "a b c", "a b c", id="pushed in another order"),
    ],
)
async def test_waiting_turns_take_the_homeservers_order(
    database: Database, before: str, meanwhile: str, told: str, expected: str
) -> None:
    await accept(database, new("other", OTHER))
    await accept(database, *(new(event) for event in before.split()))
    room = await watch(database)
    await accept(database, *(new(event) for event in meanwhile.split()))
    await put_in_order(database, room, *told.split())
    assert await order(database) == expected.split()
    assert await order(database, OTHER) == ["other"]


async def test_events_of_the_meantime_are_newer_in_a_new_database_too(database: Database) -> None:
    await database.execute("ALTER SEQUENCE turn_position_seq RESTART")
    room = await watch(database)
    await accept(database, new("$newest"))
    await accept(database, new("$missed"))
    await put_in_order(database, room, "$missed")
    assert await order(database) == ["$missed", "$newest"]


async def test_a_turn_that_was_taken_up_keeps_its_place(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$2"), new("$3"))
    turn = await take(database, lane)
    await turns.put_back(turn, delay=0, failed=True, why="the upstream is away")
    room = await watch(database)
    await accept(database, new("$1"))
    await put_in_order(database, room, "$1", "$2", "$3")
    assert await order(database) == ["$2", "$1", "$3"]
    assert (await take(database, lane)).event_id == "$2"


async def test_accepting_waits_while_a_lane_is_sorted(database: Database, store_url: str) -> None:
    await accept(database, new("$3"))
    room = await watch(database)
    await accept(database, new("$2"))
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, [ROOM])
        await IntakeStore(database).put_in_order(connection, room, ["$2", "$3"])
        late = asyncio.create_task(accept(database, new("$4")))
        await waiting_for_a_lock(store_url)
        assert not late.done()
    await late
    assert await order(database) == ["$2", "$3", "$4"]


async def test_sorting_a_lane_waits_for_events_that_are_being_accepted(
    database: Database, intake_store: IntakeStore, store_url: str
) -> None:
    await accept(database, new("$2"))
    room = await watch(database)
    await accept(database, new("$1"))
    async with database.transaction() as connection:
        await intake_store.lock(connection, [ROOM, OTHER])
        await intake_store.accept(connection, [new("$3")])
        ordering = asyncio.create_task(put_in_order(database, room, "$1", "$2"))
        await waiting_for_a_lock(store_url)
        assert not ordering.done()
    await ordering
    assert await order(database) == ["$1", "$2", "$3"]


async def test_another_room_does_not_wait(database: Database) -> None:
    await accept(database, new("$1"), new("$2", OTHER))
    room = await watch(database)
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, [ROOM])
        await IntakeStore(database).put_in_order(connection, room, ["$1"])
        async with asyncio.timeout(5):
            await accept(database, new("$3", OTHER))
    assert await order(database, OTHER) == ["$2", "$3"]


async def test_order_holds_under_fire(database: Database) -> None:
    """Messages arrive one after the other while backfills put the lane in order."""
    history = ["$e0"]
    await accept(database, new("$e0"))

    async def arrive() -> None:
        for number in range(1, 40):
            # The homeserver adds the event to the history before it delivers the event.
            history.append(f"$e{number}")
            await accept(database, new(f"$e{number}"))

    arriving = asyncio.create_task(arrive())
    while not arriving.done():
        room = await watch(database)
        await put_in_order(database, room, *history[-5:])
    await arriving
    assert await order(database) == history


@pytest.fixture
async def talk(database: Database) -> int:
    """The lane of an agent's room: one message is being answered and part 0 is visible; two messages wait."""
    agent = await add_agent(database)
    (lane,) = await accept(database, *(new(f"$q{number}", ROOM, agent) for number in (1, 2, 3)))
    turn = await take(database, lane)
    turns = Turns(database)
    await turns.intend(turn.id, 0)
    await turns.sent(turn, 0, "$a1")
    return lane


async def stopped(database: Database) -> dict[str, str]:
    """Return the turns with a request to stop, each with the event of the request."""
    rows = await database.rows("SELECT event_id, stop, stopped_by FROM turn WHERE stop IS NOT NULL")
    assert {row["stop"] for row in rows} <= {StopReason.STOPPED}
    return {row["event_id"]: row["stopped_by"] for row in rows}


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        pytest.param("$q1", ["$q1"], id="the question"),
        pytest.param("$a1", ["$q1"], id="the answer"),
        pytest.param(None, ["$q1"], id="whatever is answered"),
        pytest.param("$q2", ["$q2"], id="a question that waits"),
        pytest.param("$aside", [], id="a command"),
        pytest.param("$unknown", [], id="something else"),
        pytest.param("", [], id="nothing"),
    ],
)
async def test_a_stop_finds_its_turn(database: Database, talk: int, target: str | None, meant: list[str]) -> None:
    await take(database, talk)
    await accept(database, aside("$aside"))
    assert await stop(database, wish(target)) == [talk for _ in meant]
    assert await stopped(database) == dict.fromkeys(meant, "$wish")


@pytest.mark.parametrize("target", ["$q1", "$a1", None])
async def test_another_room_stops_nothing(database: Database, talk: int, target: str | None) -> None:
    assert await stop(database, wish(target, OTHER)) == []
    assert await stopped(database) == {}
    assert (await row_of(database, "$q1"))["conversation"] == talk


async def test_a_stop_of_a_collected_question_stops_the_whole_turn(database: Database, talk: int) -> None:
    turn = await take(database, talk)
    assert await collect(database, turn) == ["$q2", "$q3"]
    assert await stop(database, wish("$q3")) == [talk]
    assert await stopped(database) == {"$q1": "$wish"}


async def test_the_first_wish_counts(database: Database, talk: int) -> None:
    assert await stop(database, wish("$q1", event_id="$w1"), wish("$a1", event_id="$w2"), wish("$q2")) == [talk, talk]
    assert await stop(database, wish(None, event_id="$w3")) == []
    assert await stopped(database) == {"$q1": "$w1", "$q2": "$wish"}


@pytest.mark.parametrize("end", [TurnState.DONE, TurnState.FAILED, TurnState.COMMITTED])
async def test_an_answered_turn_is_not_stopped(database: Database, talk: int, end: TurnState) -> None:
    turns, turn = Turns(database), await take(database, talk)
    await turns.commit(turn, "x", error=None, parts=range(1))
    if end is not TurnState.COMMITTED:
        await turns.finish(turn, end, {0: "$a1"})
    assert await stop(database, wish("$q1"), wish("$a1")) == []
    # While an answer is being shown, the request means no other turn.
    assert await stop(database, wish(None)) == ([] if end is TurnState.COMMITTED else [talk])
    assert await stopped(database) == ({} if end is TurnState.COMMITTED else {"$q2": "$wish"})


async def test_a_stop_ends_the_waiting_for_the_next_try(database: Database, turns: Turns, talk: int) -> None:
    await turns.put_back(await take(database, talk), delay=60, failed=True, why="the upstream is away")
    assert await turns.take(talk) is None
    assert await stop(database, wish(None)) == [talk]
    turn = await take(database, talk)
    assert (turn.event_id, turn.stop) == ("$q1", StopReason.STOPPED)
    # Its worker knows of the stop now, and waits for the homeserver.
    await turns.put_back(turn, delay=60, failed=False, why="the homeserver is away")
    assert await turns.take(talk) is None


@pytest.mark.parametrize("target", ["$command", None])
async def test_a_stop_ends_a_command_in_the_lane_of_an_agent(database: Database, target: str | None) -> None:
    agent = await add_agent(database)
    command = new("$command", ROOM, agent, kind=TurnKind.COMMAND)
    (lane,) = await accept(database, command, new("$q", ROOM, agent))
    await take(database, lane)
    await accept(database, aside("$aside"))
    assert await stop(database, wish(target), wish("$aside")) == [lane]
    assert await stopped(database) == {"$command": "$wish"}


async def test_a_room_without_open_turns_has_nothing_to_stop(database: Database) -> None:
    assert await stop(database, wish(None), wish("$x")) == []
    assert await stop(database) == []


async def test_every_write_says_that_the_database_is_away(store_url: str) -> None:
    async with Database(store_url) as database:
        intake_store = IntakeStore(database)
    with pytest.raises(StoreError):
        await intake_store.known(["$1"])
    with pytest.raises(StoreError):
        await intake_store.add_dead_letter("t", "r", "b")
