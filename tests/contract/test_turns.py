"""Turns on a real PostgreSQL: accepted once, taken in order, never asked again once answered."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from agent_bridge.core.errors import StoreError
from agent_bridge.core.model import NewTurn, Said, Send, Turn, TurnKind, TurnState
from agent_bridge.store.contacts import Contacts
from agent_bridge.store.turns import Turns
from conditions import eventually
from records import wanted

if TYPE_CHECKING:
    from agent_bridge.store.database import Database

ROOM, OTHER = "!room:example.org", "!other:example.org"
BOB = "@bob:example.org"


@pytest.fixture
def turns(database: Database) -> Turns:
    return Turns(database)


@pytest.fixture
async def portal(database: Database) -> int:
    """An agent's room."""
    contacts = Contacts(database)
    await contacts.add([wanted()])
    contact = (await contacts.all())[0]
    await contacts.room_made(contact.portal.id, ROOM, None, None)
    return contact.portal.id


def new(event_id: str, room_id: str = ROOM, **changes: Any) -> NewTurn:
    values: dict[str, Any] = {
        "event_id": event_id,
        "room_id": room_id,
        "kind": TurnKind.MESSAGE,
        "sender": BOB,
        "payload": {"body": f"body of {event_id}"},
        "portal": None,
    }
    return NewTurn(**(values | changes))


async def accept(database: Database, *asked: NewTurn) -> list[int]:
    async with database.transaction() as connection:
        return await Turns(database).accept(connection, asked)


async def take(turns: Turns, lane: int) -> Turn:
    turn = await turns.take(lane)
    assert turn is not None
    return turn


async def finish(turns: Turns, turn: Turn) -> None:
    await turns.finish(turn.id, TurnState.DONE, {})


async def state(database: Database, turn: int) -> dict[str, Any]:
    row = await database.row("SELECT * FROM turn WHERE id = %s", (turn,))
    assert row is not None
    return row


async def test_a_turn_comes_back_as_it_was_accepted(database: Database, turns: Turns, portal: int) -> None:
    payload = {"body": 'Hi 🐈 \\u0000 "quoted" {}', "list": [1, None, {"a": True}], "": ""}
    (lane,) = await accept(database, new("$1", kind=TurnKind.COMMAND, payload=payload, portal=portal))
    turn = await take(turns, lane)
    assert turn == Turn(
        id=turn.id,
        event_id="$1",
        conversation=lane,
        room_id=ROOM,
        portal=portal,
        kind=TurnKind.COMMAND,
        sender=BOB,
        payload=payload,
        state=TurnState.RUNNING,
        attempts=1,
        failures=0,
        answer=None,
        error=None,
    )


async def test_a_lane_is_taken_in_order(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, *(new(f"${number}") for number in (3, 1, 2)))
    await accept(database, new("$0"))
    seen = []
    while turn := await turns.take(lane):
        seen.append(turn.event_id)
        await finish(turns, turn)
    assert seen == ["$3", "$1", "$2", "$0"]


async def test_the_head_stays_the_head_until_it_is_closed(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    first, again = await take(turns, lane), await take(turns, lane)
    assert (first.event_id, first.attempts) == ("$1", 1)
    assert (again.event_id, again.attempts, again.state) == ("$1", 2, TurnState.RUNNING)
    await turns.finish(first.id, TurnState.FAILED, {})
    assert (await take(turns, lane)).event_id == "$2"


async def test_lanes_do_not_see_each_other(database: Database, turns: Turns) -> None:
    lanes = await accept(database, new("$1"), new("$2", OTHER), new("$3"))
    assert len(lanes) == 2
    assert [(await take(turns, lane)).event_id for lane in lanes] == ["$1", "$2"]
    assert await turns.take(max(lanes) + 1) is None


async def test_an_event_is_accepted_once(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$1"), new("$2"))
    assert await accept(database, new("$1"), new("$2")) == []
    assert await accept(database, new("$2"), new("$3")) == [lane]
    await finish(turns, await take(turns, lane))
    assert await accept(database, new("$1")) == []
    assert await turns.count_open() == {None: 2}


async def test_nothing_is_accepted_when_the_transaction_fails(database: Database, turns: Turns) -> None:
    async def fail() -> None:
        async with database.transaction() as connection:
            await turns.accept(connection, [new("$1")])
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await turns.count_open() == {}
    assert len(await accept(database, new("$1"))) == 1


async def test_a_duplicate_dies_between_two_transactions(database: Database, turns: Turns, store_url: str) -> None:
    """The second waits for the first, and finds what it wrote: the lane of a new room, and the event."""
    async with database.transaction() as first:
        lanes = await turns.accept(first, [new("$1")])
        second = asyncio.create_task(accept(database, new("$1"), new("$2")))
        await waiting_for_a_lock(store_url)
        assert not second.done()
    assert await second == lanes
    assert await turns.count_open() == {None: 2}
    assert [row["room_id"] for row in await database.rows("SELECT room_id FROM conversation")] == [ROOM]


async def test_the_second_accepts_what_the_first_rolled_back(database: Database, turns: Turns, store_url: str) -> None:
    seconds: list[asyncio.Task[list[int]]] = []

    async def roll_back() -> None:
        async with database.transaction() as first:
            await turns.accept(first, [new("$1")])
            seconds.append(asyncio.create_task(accept(database, new("$1"))))
            await waiting_for_a_lock(store_url)
            raise LookupError

    with pytest.raises(LookupError):
        await roll_back()
    (lane,) = await seconds[0]
    assert (await take(turns, lane)).event_id == "$1"


async def test_many_at_once_make_one_lane(database: Database, turns: Turns) -> None:
    lanes = await asyncio.gather(*(accept(database, new(f"${number}"), new("$same")) for number in range(20)))
    assert len({lane for each in lanes for lane in each}) == 1
    assert await turns.count_open() == {None: 21}


@pytest.mark.parametrize("first", [TurnKind.INVITATION, TurnKind.COMMAND])
async def test_a_lane_learns_that_its_room_is_a_portal(
    database: Database, turns: Turns, portal: int, first: TurnKind
) -> None:
    (lane,) = await accept(database, new("$1", kind=first))
    assert await accept(database, new("$2", portal=portal)) == [lane]
    assert (await take(turns, lane)).portal == portal
    # An invitation into the room does not make it forget.
    assert await accept(database, new("$3", kind=TurnKind.INVITATION)) == [lane]
    assert (await take(turns, lane)).portal == portal


async def test_put_back_keeps_the_place_and_waits(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    assert await turns.waits_until(lane) is None
    turn = await take(turns, lane)
    await turns.put_back(turn.id, delay=30, failed=True)
    assert await turns.take(lane) is None
    until = await turns.waits_until(lane)
    assert until is not None
    assert timedelta(seconds=25) < until - datetime.now(UTC) < timedelta(seconds=31)
    await turns.put_back(turn.id, delay=0, failed=False)
    again = await take(turns, lane)
    assert (again.event_id, again.attempts, again.failures, again.state) == ("$1", 2, 1, TurnState.RUNNING)
    assert await turns.waits_until(lane) is None


async def test_a_turn_that_waits_is_taken_when_its_time_has_come(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(turns, lane)
    await turns.put_back(turn.id, delay=0.2, failed=False)
    assert await turns.take(lane) is None
    assert (await eventually(lambda: turns.take(lane), "the turn is due")).attempts == 2


async def test_an_answered_turn_is_never_asked_again(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turn = await take(turns, lane)
    await turns.answered(turn, "The answer", error="cut short", parts=2)
    for _ in range(2):
        again = await take(turns, lane)
        assert (again.state, again.answer, again.error) == (TurnState.ANSWERED, "The answer", "cut short")
        await turns.put_back(turn.id, delay=0, failed=True)
    await turns.finish(turn.id, TurnState.FAILED, {})
    assert (await take(turns, lane)).event_id == "$2"


async def test_the_answer_is_committed_with_its_intentions_and_its_transcript(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(turns, lane)
    before = datetime.now(UTC) - timedelta(seconds=1)
    said = [Said("user", "Question 🐈"), Said("assistant", "")]
    await turns.intend(turn.id, 0)
    await turns.sent(turn.id, 0, "$shown")
    await turns.answered(turn, "", error=None, parts=3, transcript=said)
    sends = await turns.sends(turn.id)
    assert [(send.part, send.event_id) for send in sends] == [(0, "$shown"), (1, None), (2, None)]
    assert all(before < send.created_at <= datetime.now(UTC) + timedelta(seconds=1) for send in sends)
    assert await turns.transcript(lane, 10) == said


@pytest.mark.parametrize("parts", [0, 1, 40])
async def test_any_number_of_parts(database: Database, turns: Turns, parts: int) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(turns, lane)
    await turns.answered(turn, "x", error=None, parts=parts)
    assert [send.part for send in await turns.sends(turn.id)] == list(range(parts))
    await turns.finish(turn.id, TurnState.DONE, {part: f"$part{part}" for part in range(parts)})
    assert [send.event_id for send in await turns.sends(turn.id)] == [f"$part{part}" for part in range(parts)]


async def test_an_intention_is_written_once(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(turns, lane)
    await turns.intend(turn.id, 1)
    (first,) = await turns.sends(turn.id)
    await turns.sent(turn.id, 1, "$shown")
    await turns.intend(turn.id, 1)
    assert await turns.sends(turn.id) == [Send(1, "$shown", first.created_at)]
    assert await turns.sends(turn.id + 1) == []


@pytest.mark.parametrize("end", [TurnState.DONE, TurnState.FAILED])
async def test_a_closed_turn_is_closed(database: Database, turns: Turns, end: TurnState) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(turns, lane)
    await turns.intend(turn.id, 0)
    await turns.finish(turn.id, end, {0: "$shown"})
    row = await state(database, turn.id)
    assert row["state"] == end
    assert row["created_at"] <= row["started_at"] <= row["finished_at"]
    assert [send.event_id for send in await turns.sends(turn.id)] == ["$shown"]
    assert await turns.take(lane) is None
    assert await turns.waits_until(lane) is None
    assert await turns.count_open() == {}


async def test_a_closed_turn_is_not_opened_by_putting_it_back(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(turns, lane)
    await finish(turns, turn)
    await turns.put_back(turn.id, delay=0, failed=True)
    assert await turns.take(lane) is None
    assert (await state(database, turn.id))["state"] == TurnState.DONE


async def test_a_transcript_is_the_last_of_its_lane_oldest_first(database: Database, turns: Turns) -> None:
    lane, other = await accept(database, new("$1"), new("$2"), new("$3", OTHER))
    for question in ("one", "two"):
        turn = await take(turns, lane)
        said = [Said("user", question), Said("assistant", f"Echo: {question}")]
        await turns.answered(turn, said[1].content, error=None, parts=1, transcript=said)
        await finish(turns, turn)
    assert [said.content for said in await turns.transcript(lane, 3)] == ["Echo: one", "two", "Echo: two"]
    assert await turns.transcript(lane, 0) == []
    assert await turns.transcript(other, 10) == []


async def test_open_turns_are_counted_by_portal(database: Database, turns: Turns, portal: int) -> None:
    lane, _ = await accept(database, *(new(f"${number}", portal=portal) for number in range(3)), new("$dm", OTHER))
    assert await turns.count_open() == {portal: 3, None: 1}
    await turns.answered(await take(turns, lane), "x", error=None, parts=1)
    assert await turns.count_open() == {portal: 3, None: 1}


async def test_rooms_of_the_bot(database: Database, turns: Turns) -> None:
    lane, _ = await accept(database, new("$1"), new("$2", OTHER))
    assert await turns.bot_rooms([ROOM, OTHER]) == set()
    await turns.set_direct(lane)
    assert await turns.bot_rooms([ROOM, OTHER, "!unknown:example.org"]) == {ROOM}
    assert await turns.bot_rooms([]) == set()


async def test_turns_of_a_lane_that_is_awake_are_accepted_alone(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    await turns.accept_alone([new("$2"), new("$1"), new("$3")])
    await turns.accept_alone([])
    for event_id in ("$1", "$2", "$3"):
        turn = await take(turns, lane)
        assert turn.event_id == event_id
        await finish(turns, turn)


async def test_a_turn_that_is_forgotten_may_come_again(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turn = await take(turns, lane)
    await turns.answered(turn, "x", error=None, parts=2, transcript=[Said("user", "stays")])
    await turns.remove(turn.id)
    assert await turns.sends(turn.id) == []
    assert await turns.transcript(lane, 10) == [Said("user", "stays")]
    assert (await take(turns, lane)).event_id == "$2"
    assert await accept(database, new("$1")) == [lane]


async def test_nul_in_a_payload_is_an_error_and_leaves_nothing(database: Database, turns: Turns) -> None:
    """What comes through the door has none; that is why."""
    with pytest.raises(StoreError, match="the database failed: "):
        await accept(database, new("$1"), new("$2", payload={"body": "a\0b"}))
    assert await turns.count_open() == {}


async def waiting_for_a_lock(uri: str) -> None:
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as observer:

        async def waits() -> bool:
            cursor = await observer.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return await cursor.fetchone() is not None

        await eventually(waits, "the second transaction waits for the first")
