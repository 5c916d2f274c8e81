"""Turns on a real PostgreSQL: claimed in order, by one worker at a time, and never asked again after the answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.answers import AnswerExtras
from agent_bridge.core.changes import StopRequest
from agent_bridge.core.errors import StoreError, StoreRefused, TurnLost
from agent_bridge.core.ids import turn_key
from agent_bridge.core.payloads import Attachment, MediaKind, MessagePayload, RefusalPayload, RefusalReason
from agent_bridge.core.rooms import KindName, Streaming
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import IgnoreReason, Send, StopReason, Turn, TurnKind, TurnState
from agent_bridge.store.agents import Agents
from agent_bridge.store.history import Histories
from agent_bridge.store.payloads import encode
from agent_bridge.store.postgres.locks import WORKER
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.transcript import Transcripts
from support.conditions import eventually
from support.sessions import open_locks
from support.turn_rows import (
    BOB,
    OTHER,
    ROOM,
    accept,
    add_agent,
    all_rows,
    collect,
    finish,
    new,
    row_of,
    stop,
    take,
    waiting_for_a_lock,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import LiteralString

    from agent_bridge.core.turns import NewTurn
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.turns import Turns


def refusal(event_id: str, reason: RefusalReason) -> NewTurn:
    payload = RefusalPayload(reason, excerpt=f"body of {event_id}")
    return new(event_id, kind=TurnKind.REFUSAL, payload=payload)


async def put_back(turns: Turns, turn: Turn, delay: float = 0, *, failed: bool = False) -> None:
    await turns.put_back(turn, delay=delay, failed=failed, why="it is away")


async def steps(database: Database, event_id: str) -> list[dict[str, Any]]:
    """Return the steps of a turn, without the times."""
    return [
        {name: value for name, value in step.items() if name != "at"}
        for step in (await row_of(database, event_id))["steps"]
    ]


async def test_a_turn_comes_back_as_it_was_accepted(database: Database) -> None:
    agent = await add_agent(database)
    file = Attachment(MediaKind.AUDIO, None, "🐈", None, 2**53, "a", voice=True, encrypted=True)
    payload = MessagePayload('Hi 🐈 \\u0000 "quoted" {}', file, "$x")
    (lane,) = await accept(database, new("$1", ROOM, agent, payload=payload, thread="$root"))
    await Rooms(database).set_streaming(ROOM, Streaming.OFF)
    turn = await take(database, lane)
    assert 0 <= turn.age < 10
    assert turn == Turn(
        room_kind=KindName.HOME,
        id=turn.id,
        event_id="$1",
        key=turn_key("$1", f"agent_{agent}"),
        conversation=lane,
        room_id=ROOM,
        thread="$root",
        agent=(await Agents(database).by_agent(agent)).agent,
        own_room=True,
        in_agent_room=True,
        when_busy=None,
        streaming=Streaming.OFF,
        kind=TurnKind.MESSAGE,
        sender=BOB,
        payload=payload,
        state=TurnState.RUNNING,
        attempts=1,
        failures=0,
        interruptions=0,
        retries=0,
        age=turn.age,
        stop=None,
        collected=(),
        answer=None,
        extras=AnswerExtras(),
        error=None,
    )


async def test_a_lane_is_taken_in_order(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, *(new(f"${number}") for number in (3, 1, 2)))
    await accept(database, new("$0"))
    seen = []
    while turn := await turns.take(lane):
        seen.append(turn.event_id)
        await finish(database, turn)
    assert seen == ["$3", "$1", "$2", "$0"]


async def test_the_head_stays_the_head_until_it_is_closed(database: Database) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    first, again = await take(database, lane), await take(database, lane)
    assert (first.event_id, first.attempts, first.interruptions) == ("$1", 1, 0)
    assert (again.event_id, again.attempts, again.interruptions, again.state) == ("$1", 2, 1, TurnState.RUNNING)
    await finish(database, again, TurnState.FAILED)
    assert (await take(database, lane)).event_id == "$2"


async def test_lanes_do_not_see_each_other(database: Database, turns: Turns) -> None:
    lanes = await accept(database, new("$1"), new("$2", OTHER), new("$3"))
    assert len(lanes) == 2
    assert [(await take(database, lane)).event_id for lane in lanes] == ["$1", "$2"]
    assert await turns.take(max(lanes) + 1) is None


async def test_only_workers_that_died_count_as_interruptions(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    seen = []
    for again in (put_back, None, None, put_back, None):
        turn = await take(database, lane)
        seen.append((turn.attempts, turn.interruptions))
        if again is not None:
            await again(turns, turn)
    assert seen == [(1, 0), (2, 0), (3, 1), (4, 2), (5, 2)]
    # The worker may have died because it showed the committed answer.
    turn = await take(database, lane)
    await turns.commit(turn, "x", error=None, parts=range(1))
    seen = []
    for again in (None, put_back, None, None):
        turn = await take(database, lane)
        seen.append((turn.attempts, turn.interruptions))
        if again is not None:
            await again(turns, turn)
    assert seen == [(7, 4), (8, 5), (9, 5), (10, 6)]


async def test_a_turn_of_a_process_that_lives_is_not_interrupted(
    database: Database, turns: Turns, store_url: str
) -> None:
    """Its worker has only lost the database for a while."""
    (lane,) = await accept(database, new("$1"))
    async with Session(store_url, Signals()) as session:
        await session.execute("SELECT 1")
        seen = [await turns.take(lane, session.process) for _ in range(3)]

    async def has_ended() -> bool:
        async with open_locks(store_url) as locks, locks.hold(WORKER, session.process) as held:
            return held

    await eventually(has_ended, "PostgreSQL has noticed the end of the process")
    seen += [await turns.take(lane, 1) for _ in range(2)]
    assert [turn and turn.interruptions for turn in seen] == [0, 0, 0, 1, 2]


async def test_a_rehearsal_leaves_nothing(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(database, lane)
    await turns.rehearse(turn)
    rows = await database.rows("SELECT 1 FROM message UNION ALL SELECT 1 FROM outbox")
    assert rows == []
    await database.execute("ALTER TABLE outbox ADD CONSTRAINT full_disk CHECK (part < 0) NOT VALID")
    try:
        with pytest.raises(StoreError):
            await turns.rehearse(turn)
    finally:
        await database.execute("ALTER TABLE outbox DROP CONSTRAINT full_disk")


@pytest.mark.parametrize(
    ("state", "error", "answer"),
    [
        (TurnState.DONE, None, "the answer"),
        (TurnState.FAILED, "the upstream is away", ""),
        (TurnState.STOPPED, None, "the"),
        (TurnState.FAILED, "the bridge ended 15 times", None),
    ],
)
async def test_a_turn_that_another_worker_ended_is_shown_once_more(
    database: Database, turns: Turns, state: TurnState, error: str | None, answer: str | None
) -> None:
    (lane,) = await accept(database, new("$1"))
    paused = await take(database, lane)
    assert not await turns.show_again(paused)
    other = await take(database, lane)
    assert not await turns.show_again(paused)
    if answer is not None:
        stopped = StopReason.STOPPED if state is TurnState.STOPPED else None
        await turns.commit(other, answer, error=error, parts=[0], stopped=stopped)
        assert not await turns.show_again(paused)
    await turns.finish(other, state, {0: "$answer"}, error=error)
    # The worker that ended it has no doubt.
    assert not await turns.show_again(other)
    assert await turns.show_again(paused)
    again = await take(database, lane)
    assert (again.state, again.answer, again.error) == (TurnState.COMMITTED, answer, error)
    assert again.interruptions == 1


async def test_put_back_keeps_the_place_and_waits(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turn = await take(database, lane)
    await put_back(turns, turn, 30, failed=True)
    assert await turns.take(lane) is None
    row = await row_of(database, "$1")
    assert row["state"] == TurnState.QUEUED
    assert row["not_before"] - row["waits_since"] == timedelta(seconds=30)
    await put_back(turns, turn)
    again = await take(database, lane)
    assert (again.event_id, again.attempts, again.failures, again.state) == ("$1", 2, 1, TurnState.RUNNING)
    row = await row_of(database, "$1")
    assert (row["not_before"], row["waits_since"]) == (None, None)


async def test_waits_for_an_upstream_are_counted_apart_from_failures_until_the_turn_is_asked_again(
    database: Database, turns: Turns
) -> None:
    (lane,) = await accept(database, new("$1"))
    for waited in (1.5, 2.0):
        await turns.put_back(await take(database, lane), delay=0, failed=False, waited=waited, why="it is away")
    # A bridge that was down for an hour did not wait.
    await database.execute("UPDATE turn SET started_at = started_at - interval '1 hour'")
    turn = await take(database, lane)
    assert (turn.upstream_waits, turn.upstream_waited, turn.failures) == (2, 3.5, 0)
    await database.execute("UPDATE turn SET stop = 'redacted'")
    assert await turns.ask_the_rest(turn)
    turn = await take(database, lane)
    assert (turn.upstream_waits, turn.upstream_waited) == (0, 0)


async def test_a_turn_that_waits_is_taken_when_its_time_has_come(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    await put_back(turns, await take(database, lane), 0.2)
    assert await turns.take(lane) is None
    assert (await eventually(lambda: turns.take(lane), "the turn is due")).attempts == 2


async def test_a_clock_that_was_set_back_ends_the_waiting(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    await put_back(turns, await take(database, lane), 30)
    assert await turns.take(lane) is None
    # A clock that goes back by an hour makes the stored times an hour later.
    await database.execute(
        "UPDATE turn SET not_before = not_before + interval '1 hour', waits_since = waits_since + interval '1 hour'"
    )
    assert (await take(database, lane)).attempts == 2


async def test_a_suspect_room_holds_its_lane_and_not_the_bots(database: Database, turns: Turns) -> None:
    agent = await add_agent(database)
    lane, bots = await accept(database, new("$1", ROOM, agent), new("$2", kind=TurnKind.COMMAND))
    (elsewhere,) = await accept(database, new("$3", OTHER))
    rooms = Histories(database)
    await rooms.require_backfill()
    assert await turns.take(lane) is None
    assert (await take(database, bots)).event_id == "$2"
    assert (await take(database, elsewhere)).event_id == "$3"
    (room,) = await rooms.due(600, 10)
    async with database.transaction() as connection:
        await rooms.backfilled(connection, room, "$1")
    assert (await take(database, lane)).event_id == "$1"


async def test_a_suspect_conversation_with_the_bot_holds_its_lane(database: Database, turns: Turns) -> None:
    """All messages there are for the bot, and have an order."""
    await Rooms(database).enter(ROOM, KindName.BOT, "$seen")
    await Rooms(database).enter(OTHER, KindName.GROUP, "$seen")
    direct, group = await accept(database, new("$1", kind=TurnKind.COMMAND), new("$2", OTHER, kind=TurnKind.COMMAND))
    await Histories(database).require_backfill()
    assert await turns.take(direct) is None
    assert (await take(database, group)).event_id == "$2"


async def test_an_event_is_a_turn_of_each_agent_that_it_is_for(database: Database, turns: Turns) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    lanes = await accept(database, new("$1", "!group", frida, gala), new("$2", "!group", gala))
    assert len(lanes) == 2
    of_frida, of_gala = [await take(database, lane) for lane in lanes]
    assert [turn.agent.name for turn in (of_frida, of_gala) if turn.agent is not None] == ["Frida", "Gala"]
    assert (of_frida.event_id, of_frida.key) == ("$1", turn_key("$1", f"agent_{frida}"))
    assert (of_gala.event_id, of_gala.key) == ("$1", turn_key("$1", f"agent_{gala}"))
    # Neither room is the agent's own, so the upstream needs a name for the conversation with each.
    assert [turn.session for turn in (of_frida, of_gala)] == ["!group/agent_frida", "!group/agent_gala"]
    await finish(database, of_frida)
    assert await turns.take(lanes[0]) is None
    await finish(database, of_gala)
    assert (await take(database, lanes[1])).event_id == "$2"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param("payload = payload || '{\"v\": 99}'", "version 99; this program reads version 1", id="version"),
        pytest.param("kind = 'vote'", "the kind 'vote', which this program does not know", id="kind"),
    ],
)
async def test_a_payload_of_another_program_is_an_error_in_words(
    database: Database, turns: Turns, change: LiteralString, says: str
) -> None:
    (lane,) = await accept(database, new("$1"))
    await database.execute(f"UPDATE turn SET {change}")  # noqa: S608
    with pytest.raises(StoreRefused, match=says):
        await turns.take(lane)


@pytest.mark.parametrize(
    "change",
    [
        "payload = payload - 'v'",
        """payload = '"garbage"'""",
        """payload = '{"v": 1, "body": "x", "file": 7}'""",
        "stop = 'garbage'",
        """extras = '{"notice": 7}'""",
    ],
)
async def test_a_content_that_no_program_wrote_is_left_out(
    database: Database, turns: Turns, change: LiteralString
) -> None:
    (lane,) = await accept(database, new("$1"))
    await database.execute(f"UPDATE turn SET {change}")  # noqa: S608
    turn = await turns.take(lane)
    assert turn is not None
    assert (turn.is_unreadable, turn.payload, turn.stop) == (True, MessagePayload(), None)
    await turns.finish(turn, TurnState.FAILED, {}, error="unreadable")
    assert await turns.take(lane) is None


async def test_an_answered_turn_is_never_asked_again(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turn = await take(database, lane)
    await turns.commit(turn, "The answer", error="cut short", parts=range(2))
    for _ in range(2):
        turn = await take(database, lane)
        assert (turn.state, turn.answer, turn.error) == (TurnState.COMMITTED, "The answer", "cut short")
        with pytest.raises(TurnLost):
            await turns.commit(turn, "Another", error=None, parts=range(1))
        await put_back(turns, turn, failed=True)
    await finish(database, turn, TurnState.FAILED)
    assert (await take(database, lane)).event_id == "$2"


async def test_the_answer_is_committed_with_its_intentions_and_its_transcript(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(database, lane)
    before = datetime.now(UTC) - timedelta(seconds=1)
    said = [ChatMessage("user", "Question 🐈"), ChatMessage("assistant", "")]
    await turns.intend(turn.id, 0)
    await turns.sent(turn, 0, "$shown")
    await turns.commit(turn, "", error=None, parts=range(3), transcript=said)
    sends = await turns.sends(turn.id)
    assert [(send.part, send.event_id) for send in sends] == [(0, "$shown"), (1, None), (2, None)]
    assert all(before < send.created_at <= datetime.now(UTC) + timedelta(seconds=1) for send in sends)
    assert await Transcripts(database).of_lane(lane, 10) == said


@pytest.mark.parametrize("parts", [0, 1, 40])
async def test_any_number_of_parts(database: Database, turns: Turns, parts: int) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(database, lane)
    await turns.commit(turn, "x", error=None, parts=range(parts))
    assert [send.part for send in await turns.sends(turn.id)] == list(range(parts))
    await turns.finish(turn, TurnState.DONE, {part: f"$part{part}" for part in range(parts)})
    assert [send.event_id for send in await turns.sends(turn.id)] == [f"$part{part}" for part in range(parts)]


async def test_an_intention_is_written_once(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(database, lane)
    await turns.intend(turn.id, 1)
    (first,) = await turns.sends(turn.id)
    await turns.sent(turn, 1, "$shown")
    await turns.intend(turn.id, 1)
    assert await turns.sends(turn.id) == [Send(1, "$shown", 0, first.created_at)]
    assert await turns.sends(turn.id + 1) == []


@pytest.mark.parametrize("end", [TurnState.DONE, TurnState.FAILED, TurnState.STOPPED])
async def test_a_closed_turn_is_closed(database: Database, turns: Turns, end: TurnState) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(database, lane)
    await turns.intend(turn.id, 0)
    await turns.finish(turn, end, {0: "$shown"})
    row = await row_of(database, "$1")
    assert row["state"] == end
    assert row["created_at"] <= row["started_at"] <= row["finished_at"]
    assert [send.event_id for send in await turns.sends(turn.id)] == ["$shown"]
    assert await turns.take(lane) is None
    assert await turns.count_open() == {}


async def test_parts_that_were_taken_back_are_forgotten(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(database, lane)
    for part in range(4):
        await turns.intend(turn.id, part)
        await turns.sent(turn, part, f"$old{part}")
    await turns.finish(turn, TurnState.DONE, {0: "$new", 2: "$old2"}, taken_back=[1, 3])
    assert [(send.part, send.event_id) for send in await turns.sends(turn.id)] == [(0, "$new"), (2, "$old2")]


WRITES = [
    pytest.param(partial(put_back, delay=0), id="put back"),
    pytest.param(partial(put_back, delay=5, failed=True), id="put back as failed"),
    pytest.param(
        lambda turns, turn: turns.commit(
            turn, "old", error=None, parts=range(2), transcript=[ChatMessage("user", "old")]
        ),
        id="answered",
    ),
    pytest.param(lambda turns, turn: turns.finish(turn, TurnState.DONE, {}), id="finish"),
    pytest.param(lambda turns, turn: turns.finish(turn, TurnState.FAILED, {0: "$old"}), id="finish as failed"),
    pytest.param(lambda turns, turn: turns.collect(turn, []), id="collect"),
]


async def go_on(_turns: Turns, _turn: Turn) -> None:
    """The newer worker continues."""


SINCE = [
    pytest.param(go_on, id="taken up"),
    pytest.param(partial(put_back, delay=30), id="waiting"),
    pytest.param(lambda turns, turn: turns.commit(turn, "new", error=None, parts=range(1)), id="answered"),
    pytest.param(lambda turns, turn: turns.finish(turn, TurnState.DONE, {0: "$new"}), id="done"),
    pytest.param(lambda turns, turn: turns.finish(turn, TurnState.FAILED, {}), id="failed"),
]


@pytest.mark.parametrize("since", SINCE)
@pytest.mark.parametrize("write", WRITES)
async def test_the_writes_of_an_older_worker_do_not_count(
    database: Database,
    turns: Turns,
    write: Callable[[Turns, Turn], Awaitable[object]],
    since: Callable[[Turns, Turn], Awaitable[object]],
) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    older = await take(database, lane)
    await turns.intend(older.id, 0)
    newer = await take(database, lane)
    await since(turns, newer)
    before = await all_rows(database)
    with pytest.raises(TurnLost, match=older.key):
        await write(turns, older)
    assert await all_rows(database) == before


@pytest.mark.parametrize("write", WRITES)
async def test_a_closed_turn_is_not_opened(
    database: Database, turns: Turns, write: Callable[[Turns, Turn], Awaitable[object]]
) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turn = await take(database, lane)
    await finish(database, turn)
    before = await all_rows(database)
    with pytest.raises(TurnLost):
        await write(turns, turn)
    assert await all_rows(database) == before


async def test_waiting_turns_are_collected_in_order(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, *(new(f"${number}") for number in (1, 4, 2, 3)))
    turn = await take(database, lane)
    assert await collect(database, turn) == ["$4", "$2", "$3"]
    assert await collect(database, turn) == []
    await accept(database, new("$5"))
    assert await collect(database, turn) == ["$5"]
    row = await row_of(database, "$4")
    assert (row["state"], row["collected_into"]) == (TurnState.COLLECTED, turn.id)
    assert row["finished_at"] is not None
    assert await steps(database, "$4") == [{"what": "collected", "turn": turn.key}]
    # The next worker asks the same question.
    again = await take(database, lane)
    assert again.collected == tuple(MessagePayload(f"body of ${number}") for number in (4, 2, 3, 5))
    assert again.body == "\n\n".join(f"body of ${number}" for number in (1, 4, 2, 3, 5))
    assert await turns.count_open() == {None: 1}


async def test_only_similar_turns_are_collected(database: Database) -> None:
    lane, _ = await accept(
        database,
        new("$1"),
        new("$command", kind=TurnKind.COMMAND),
        refusal("$full1", RefusalReason.FULL),
        new("$2"),
        refusal("$permission", RefusalReason.PERMISSION),
        refusal("$full2", RefusalReason.FULL),
        new("$elsewhere", OTHER),
        new("$3"),
    )
    await stop(database, StopRequest(ROOM, "$wish", "$3"))
    turn = await take(database, lane)
    assert await collect(database, turn) == ["$2"]
    await finish(database, turn)
    command = await take(database, lane)
    assert await collect(database, command) == []
    await finish(database, command)
    assert await collect(database, await take(database, lane)) == ["$full2"]


async def test_a_turn_that_was_taken_up_is_not_collected(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turn = await take(database, lane)
    await database.execute("UPDATE turn SET attempts = 1 WHERE event_id = '$2'")
    assert await turns.behind(turn) == []


async def test_waiting_turns_are_listed_with_their_age(database: Database, turns: Turns) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    ages = {"$1": 9000, "$2": 8000, "$3": 3000, "$4": 7000, "$5": 0}
    (lane,) = await accept(database, *(new(event, said_at=now - age * 1000) for event, age in ages.items()))
    turn = await take(database, lane)
    assert turn.age == pytest.approx(9000, abs=10)
    waits = await turns.behind(turn)
    assert {each.event_id: round(each.age, -1) for each in waits} == {"$2": 8000, "$3": 3000, "$4": 7000, "$5": 0}
    assert all(0 <= each.since < 10 for each in waits)
    assert [each.sender for each in waits] == [BOB] * 4


async def test_only_named_turns_that_still_wait_are_collected(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, *(new(f"${number}") for number in range(1, 6)))
    turn = await take(database, lane)
    waits = await turns.behind(turn)
    changed = MessagePayload("changed")
    await database.execute("UPDATE turn SET payload = %s WHERE event_id = '$2'", (encode(changed),))
    await database.execute("UPDATE turn SET state = 'stopped' WHERE event_id = '$3'")
    await stop(database, StopRequest(ROOM, "$wish", "$4"))
    assert [(each.event_id, each.payload) for each in await turns.collect(turn, waits[:3])] == [("$2", changed)]
    assert (await row_of(database, "$5"))["state"] == TurnState.QUEUED


async def test_a_turn_without_a_text_is_taken_up_with_its_collected_turns(database: Database) -> None:
    (lane,) = await accept(database, new("$1"), new("$2", payload=MessagePayload()), new("$3"))
    turn = await take(database, lane)
    await collect(database, turn)
    assert (await take(database, lane)).body == "body of $1\n\nbody of $3"


async def test_workers_see_stops(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turn = await take(database, lane)
    assert await turns.stops([turn.id]) == {}
    assert await turns.stops([]) == {}
    await stop(database, StopRequest(ROOM, "$w", "$1"), StopRequest(ROOM, "$w", "$2"))
    assert await turns.stops({turn.id: None}) == {turn.id: StopReason.STOPPED}
    assert turn.stop is None
    assert (await take(database, lane)).stop is StopReason.STOPPED


async def test_the_story_of_a_turn_is_told_step_by_step(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    turn = await take(database, lane)
    await put_back(turns, turn, 0, failed=True)
    turn = await take(database, lane)
    await turns.commit(turn, "four", error="cut {%}", parts=range(1))
    await turns.finish(turn, TurnState.FAILED, {0: "$a"})
    assert await steps(database, "$1") == [
        {"what": "taken_up"},
        {"what": "put_back", "seconds": 0, "why": "it is away"},
        {"what": "taken_up"},
        {"what": "answered", "characters": 4, "error": "cut {%}"},
        {"what": "failed", "parts": 1},
    ]
    times = [datetime.fromisoformat(step["at"]) for step in (await row_of(database, "$1"))["steps"]]
    assert times == sorted(times)


async def test_a_story_without_end_does_not_grow_without_end(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    for _ in range(60):
        await put_back(turns, await take(database, lane), failed=True)
    turn = await take(database, lane)
    assert (turn.attempts, turn.failures) == (61, 60)
    await finish(database, turn)
    assert len(await steps(database, "$1")) == 100


async def test_a_transcript_is_the_last_of_its_lane_oldest_first(database: Database, turns: Turns) -> None:
    lane, other = await accept(database, new("$1"), new("$2"), new("$3", OTHER))
    for question in ("one", "two"):
        turn = await take(database, lane)
        said = [ChatMessage("user", question), ChatMessage("assistant", f"Echo: {question}")]
        await turns.commit(turn, said[1].content, error=None, parts=range(1), transcript=said)
        await finish(database, turn)
    assert [said.content for said in await Transcripts(database).of_lane(lane, 3)] == ["Echo: one", "two", "Echo: two"]
    assert await Transcripts(database).of_lane(lane, 0) == []
    assert await Transcripts(database).of_lane(other, 10) == []


async def test_the_last_open_turn_of_a_lane_is_known(database: Database, turns: Turns) -> None:
    lane, other = await accept(database, new("$1"), new("$2"), new("$3", OTHER))
    assert not await turns.finish(await take(database, lane), TurnState.DONE, {})
    assert await turns.finish(await take(database, lane), TurnState.DONE, {})
    assert await turns.finish(await take(database, other), TurnState.FAILED, {})


async def test_open_turns_are_counted_by_agent(database: Database, turns: Turns) -> None:
    agent = await add_agent(database)
    lane, _ = await accept(database, *(new(f"${number}", ROOM, agent) for number in range(3)), new("$dm", OTHER))
    assert await turns.count_open() == {agent: 3, None: 1}
    turn = await take(database, lane)
    await collect(database, turn)
    assert await turns.count_open() == {agent: 1, None: 1}
    await turns.commit(turn, "x", error=None, parts=range(1))
    assert await turns.count_open() == {agent: 1, None: 1}


async def test_a_turn_that_is_dismissed_becomes_a_note(database: Database, turns: Turns) -> None:
    refused = replace(refusal("$1", RefusalReason.PERMISSION), once_key="once")
    (lane,) = await accept(database, refused, new("$2"))
    await turns.dismiss(await take(database, lane), IgnoreReason.PERMISSION)
    rows = await database.rows("SELECT event_id, room_id, reason FROM ignored")
    assert [tuple(row.values()) for row in rows] == [("$1", ROOM, IgnoreReason.PERMISSION)]
    assert (await take(database, lane)).event_id == "$2"
    # The next event with the same key becomes a refusal.
    assert await accept(database, replace(refused, event_id="$3")) == [lane]


async def test_a_closed_turn_is_not_reopened_by_a_waiting_worker(
    database: Database, turns: Turns, store_url: str
) -> None:
    """Two workers have one lane: the second claims its head while the first closes it."""
    (lane,) = await accept(database, new("$1"))
    turn = await take(database, lane)
    async with database.transaction() as connection:
        await connection.execute("UPDATE turn SET state = 'done', finished_at = now() WHERE id = %s", (turn.id,))
        late = asyncio.create_task(turns.take(lane))
        await waiting_for_a_lock(store_url)
    assert await late is None
    row = await row_of(database, "$1")
    assert (row["state"], row["attempts"]) == ("done", 1)


async def test_the_run_that_answers_is_recorded_by_the_last_worker_only(database: Database, turns: Turns) -> None:
    [lane] = await accept(database, new("$1"))
    first = await take(database, lane)
    await turns.started(first, "run-1")
    assert (await row_of(database, "$1"))["upstream_ref"] == "run-1"
    second = await take(database, lane)
    assert (first.run, second.run) == (None, "run-1")
    await turns.started(second, "run-2")
    await turns.started(first, "run-3")
    assert (await row_of(database, "$1"))["upstream_ref"] == "run-2"
    await turns.commit(second, "x", error=None, parts=[0])
    assert (await row_of(database, "$1"))["upstream_ref"] == "run-2"


async def test_the_commit_records_the_run(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, new("$1"))
    await turns.commit(await take(database, lane), "x", error=None, parts=[0], run="run-1")
    assert (await row_of(database, "$1"))["upstream_ref"] == "run-1"


async def test_one_turn_tells_of_a_thing_on_each_day_and_one_for_good(database: Database, turns: Turns) -> None:
    lanes = await accept(database, new("$1", thread="$a"), new("$2", thread="$b"))
    first, second = [await take(database, lane) for lane in lanes]
    for claim, (one, other) in ((turns.claim_once, (first, second)), (turns.claim_day, (second, first))):
        # The next attempt tells of it again.
        assert [await claim(turn, "quota") for turn in (one, one, other)] == [True, True, False]
    await database.execute(
        "UPDATE turn SET once_key = 'quota:' || split_part(once_key, ':', 2)::integer - 1 WHERE id = %s", (second.id,)
    )
    assert not await turns.claim_once(second, "quota")
    assert await turns.claim_day(first, "quota")
