"""Messages that interrupt answers, on a real PostgreSQL: the rows that intake and workers write."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.changes import StopRequest
from agent_bridge.core.payloads import Attachment, MediaKind, MessagePayload
from agent_bridge.core.rooms import HistoryCursor, WhenBusy
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import StopReason, TurnKind, TurnState
from agent_bridge.matrix.events import parse_event
from agent_bridge.store.edits import Edits
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.transcript import Transcripts
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from support.appservice_client import real_intake
from support.change_requests import asked, edit, note, redaction
from support.turn_rows import (
    BOB,
    OTHER,
    ROOM,
    accept,
    add_agent,
    content,
    finish,
    order,
    row_of,
    stop,
    take,
    waiting_for_a_lock,
)

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.core.turns import NewTurn, Turn
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Database

CAROL = "@carol:example.org"
CAT = Attachment(MediaKind.IMAGE, "mxc://x/cat", "cat.png", "image/png", 9, None, voice=False, encrypted=False)
PICTURE, VOICE = MessagePayload(file=CAT), MessagePayload(file=replace(CAT, kind=MediaKind.AUDIO, voice=True))


@pytest.fixture
async def agent(database: Database) -> int:
    return await add_agent(database)


@pytest.fixture
async def lane(database: Database, agent: int) -> int:
    """A lane with the message ``$q``."""
    (lane,) = await accept(database, asked("$q", agent))
    return lane


@pytest.fixture
def turns(database: Database) -> Turns:
    return Turns(database)


async def interrupt(database: Database, *new: NewTurn) -> None:
    """Write *new* like the intake of a room in which messages interrupt answers."""
    store = IntakeStore(database)
    async with database.transaction() as connection:
        await store.lock(connection, {each.room_id for each in new})
        lanes = await store.accept(connection, new)
        await store.interrupt(connection, list(lanes), {lane for each in lanes.values() for lane in each})


async def stop_of(database: Database, event_id: str = "$q") -> tuple[str | None, str | None]:
    row = await row_of(database, event_id)
    return row["stop"], row["stopped_by"]


async def test_a_message_interrupts_the_answer_that_is_given(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    turn = await take(database, lane)
    await interrupt(database, asked("$next", agent), asked("$more", agent))
    assert await stop_of(database) == (StopReason.INTERRUPTED, "$more")
    assert await turns.stops([turn.id]) == {turn.id: StopReason.INTERRUPTED}
    assert [await stop_of(database, event) for event in ("$next", "$more")] == [(None, None)] * 2
    said = [ChatMessage("user", "q"), ChatMessage("assistant", "half")]
    values: dict[str, Any] = {"error": None, "parts": [0], "stopped": StopReason.INTERRUPTED, "transcript": said}
    assert await turns.commit(turn, "half", **values) is None
    await finish(database, turn, TurnState.STOPPED)
    assert await Transcripts(database).of_lane(lane, 9) == said
    row = await row_of(database, "$q")
    assert (row["state"], row["stop"], row["answer"]) == (TurnState.STOPPED, StopReason.INTERRUPTED, "half")
    assert [step["by"] for step in row["steps"] if step["what"] == "interrupted"] == ["$more"]
    assert (await take(database, lane)).event_id == "$next"


async def test_only_a_message_that_is_being_answered_is_interrupted(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    await interrupt(database, asked("$2", agent))
    turn = await take(database, lane)
    # The message waits for its upstream.
    await turns.put_back(turn, delay=60, failed=False, why="away", waited=1.0)
    await interrupt(database, asked("$3", agent))
    await database.execute("UPDATE turn SET not_before = NULL")
    turn = await take(database, lane)
    await turns.commit(turn, "whole", error=None, parts=[0])
    await interrupt(database, asked("$4", agent))
    await finish(database, turn)
    await interrupt(database, asked("$5", agent))
    assert await database.rows("SELECT 1 FROM turn WHERE stop IS NOT NULL") == []


async def test_a_complete_answer_counts_although_a_message_would_interrupt_it(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    turn = await take(database, lane)
    await interrupt(database, asked("$next", agent))
    assert await turns.commit(turn, "whole", error=None, parts=[0]) is None
    await finish(database, turn)
    row = await row_of(database, "$q")
    assert (row["state"], row["stop"], row["answer"]) == (TurnState.DONE, None, "whole")


async def test_other_lanes_and_commands_are_not_interrupted(database: Database, lane: int, agent: int) -> None:
    gala = await add_agent(database, "Gala", OTHER)
    lanes = await accept(
        database,
        asked("$thread", agent, thread="$root"),
        asked("$gala", gala),
        asked("$letta", agent, kind=TurnKind.COMMAND, thread="$root2"),
        asked("$bot", kind=TurnKind.COMMAND),
    )
    for each in (lane, *lanes):
        await take(database, each)
    await interrupt(database, asked("$2", agent), asked("$command", agent, kind=TurnKind.COMMAND, thread="$root"))
    await interrupt(database, asked("$3", agent, thread="$root2"))
    rows = await database.rows("SELECT event_id FROM turn WHERE stop IS NOT NULL")
    assert [row["event_id"] for row in rows] == ["$q"]


@pytest.mark.parametrize(
    ("first", "second", "by", "seconds", "interrupts"),
    [
        (PICTURE, PICTURE, BOB, 9, False),
        (PICTURE, PICTURE, BOB, 11, True),
        (PICTURE, PICTURE, CAROL, 1, True),
        (PICTURE, MessagePayload("what is this?"), BOB, 1, True),
        (MessagePayload("see:"), PICTURE, BOB, 1, True),
        (PICTURE, VOICE, BOB, 1, True),
        (VOICE, VOICE, BOB, 1, True),
    ],
)
async def test_files_that_are_sent_together_do_not_interrupt_each_other(
    database: Database,
    agent: int,
    first: MessagePayload,
    second: MessagePayload,
    by: str,
    seconds: int,
    *,
    interrupts: bool,
) -> None:
    start = 1_700_000_000_000
    (lane,) = await accept(database, asked("$q", agent, payload=first, said_at=start))
    await take(database, lane)
    new = asked("$next", agent, payload=second, sender=by, said_at=start + 1000 * seconds)
    await interrupt(database, new)
    assert ((await stop_of(database))[0] is not None) is interrupts


async def test_a_file_belongs_to_the_last_one_that_was_collected(database: Database, turns: Turns, agent: int) -> None:
    start = 1_700_000_000_000
    files = [asked(f"${n}", agent, payload=PICTURE, said_at=start + 8000 * n) for n in range(3)]
    (lane,) = await accept(database, *files[:2])
    turn = await take(database, lane)
    assert await turns.collect(turn, await turns.behind(turn))
    await interrupt(database, files[2])
    assert await stop_of(database, "$0") == (None, None)


async def test_what_interrupts_before_the_agent_begins_is_asked_with_the_message(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    turn = await take(database, lane)
    await interrupt(database, asked("$2", agent))
    await interrupt(database, asked("$3", agent))
    joined = await turns.join(turn)
    assert joined is not None
    turn, newest = joined
    assert (turn.body, turn.stop, newest) == ("body of $q\n\nbody of $2\n\nbody of $3", None, "$3")
    assert await stop_of(database) == (None, None)
    assert await order(database) == ["$q"]
    # A message that comes later interrupts again, and a next worker knows all of them.
    await interrupt(database, asked("$4", agent))
    assert await stop_of(database) == (StopReason.INTERRUPTED, "$4")
    retaken = await take(database, lane)
    assert (retaken.body, retaken.stop) == (turn.body, StopReason.INTERRUPTED)
    assert await turns.join(turn) is None, "another worker has taken the turn up"
    joined = await turns.join(retaken, collects=False)
    assert joined is not None
    assert (joined[0].body, joined[0].request_key) == (turn.body, turn.request_key)
    assert await order(database) == ["$q", "$4"]


async def test_a_message_that_interrupts_while_messages_are_joined_is_not_forgotten(
    database: Database, turns: Turns, lane: int, agent: int, store_url: str
) -> None:
    turn = await take(database, lane)
    await interrupt(database, asked("$2", agent))
    store = IntakeStore(database)
    async with database.transaction() as connection:
        await store.lock(connection, {ROOM})
        lanes = await store.accept(connection, [asked("$3", agent)])
        await store.interrupt(connection, ["$3"], lanes["$3"])
        joining = asyncio.create_task(turns.join(turn))
        await waiting_for_a_lock(store_url)
    joined = await joining
    assert joined is not None
    assert joined[0].body == "body of $q\n\nbody of $2\n\nbody of $3"
    assert await stop_of(database) == (None, None)


@pytest.mark.parametrize("act", ["stop", "drop", "redact"])
async def test_an_interrupted_answer_can_be_ended_for_another_reason(
    database: Database, turns: Turns, lane: int, agent: int, act: str
) -> None:
    turn = await take(database, lane)
    await interrupt(database, asked("$next", agent))
    match act:
        case "stop":
            assert await stop(database, StopRequest(ROOM, "$stop", "$q")) == [lane]
            reason = StopReason.STOPPED
        case "drop":
            async with database.transaction() as connection:
                assert await TurnAdmin(database).drop(connection, turn.id, "$drop") == lane
            reason = StopReason.DROPPED
        case _:
            assert await note(database, redaction("$q")) == [[lane]]
            reason = StopReason.WITHDRAWN
    assert await turns.stops([turn.id]) == {turn.id: reason}
    assert await turns.join(turn) is None
    # A message that comes later does not take that back, and waits.
    await interrupt(database, asked("$more", agent))
    assert (await stop_of(database))[0] == reason
    assert await order(database) == ["$q", "$next", "$more"]


async def test_a_message_that_is_gone_interrupts_nothing_more(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    turn = await take(database, lane)
    await interrupt(database, asked("$2", agent), asked("$3", agent), asked("$4", agent))
    await note(database, redaction("$2", "$r2"))
    await stop(database, StopRequest(ROOM, "$stop", "$3"))
    await note(database, edit("better", "$edit", "$4"))
    joined = await turns.join(turn)
    assert joined is not None
    assert joined[0].body == "body of $q\n\nbetter"
    assert await order(database) == ["$q", "$3"]


async def test_an_edit_behind_the_message_that_interrupts_changes_the_joined_question_once(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    turn = await take(database, lane)
    await interrupt(database, asked("$2", agent))
    await note(database, edit("better"))
    joined = await turns.join(turn)
    assert joined is not None
    assert joined[0].body == "body of $q\n\nbody of $2"
    await turns.commit(joined[0], "both", error=None, parts=[0])
    await finish(database, joined[0])
    change = await take(database, lane)
    assert await Edits(database).ask_again(change)
    await finish(database, change)
    again = await take(database, lane)
    assert again.body == "better\n\nbody of $2"


async def test_an_edit_of_an_interrupted_question_comes_too_late(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    turn = await take(database, lane)
    await interrupt(database, asked("$2", agent))
    await note(database, edit("better"))
    await turns.commit(turn, "half", error=None, parts=[0], stopped=StopReason.INTERRUPTED)
    await finish(database, turn, TurnState.STOPPED)
    await finish(database, await take(database, lane))
    assert not await Edits(database).ask_again(await take(database, lane))
    assert content(await row_of(database, "$q")) == MessagePayload("body of $q")


def said(event_id: str, **more: Any) -> RoomEvent:
    raw = {"event_id": event_id, "room_id": ROOM, "type": "m.room.message", "sender": BOB}
    event = parse_event(raw | {"content": {"msgtype": "m.text", "body": event_id}} | more)
    assert event is not None
    return event


async def claimed(database: Database, intake: Intake) -> Turn:
    await intake.take("t1", [said("$1")])
    return await take(database, (await row_of(database, "$1"))["conversation"])


async def test_the_room_decides_whether_messages_interrupt(database: Database) -> None:
    await add_agent(database)
    intake = real_intake(database)
    await claimed(database, intake)
    await intake.take("t2", [said("$2")])
    assert await stop_of(database, "$1") == (None, None)
    await Rooms(database).set_when_busy(ROOM, WhenBusy.INTERRUPT)
    # The homeserver repeats an earlier transaction, which interrupts nothing.
    await intake.take("t2", [said("$1"), said("$2")])
    assert await stop_of(database, "$1") == (None, None)
    # A message that was lost may be older than the one that is being answered.
    cursor = HistoryCursor(ROOM, ("agent_frida",), "agent_frida", "$seen", 0)
    await intake.take_backfilled(cursor, [said("$0"), said("$1"), said("$2")], "$2")
    assert await stop_of(database, "$1") == (None, None)
    await intake.take("t3", [said("$3"), said("$command", content={"msgtype": "m.text", "body": "!ab help"})])
    assert await stop_of(database, "$1") == (StopReason.INTERRUPTED, "$3")
    await database.execute("UPDATE turn SET stop = NULL, stopped_by = NULL")
    await intake.take("t3", [said("$3")])
    assert await stop_of(database, "$1") == (None, None)


async def test_a_message_that_is_redacted_at_once_interrupts_nothing(database: Database) -> None:
    await add_agent(database)
    intake = real_intake(database)
    await Rooms(database).set_when_busy(ROOM, WhenBusy.INTERRUPT)
    await claimed(database, intake)
    await intake.take("t2", [said("$2"), said("$r", type="m.room.redaction", redacts="$2", content={})])
    assert await stop_of(database, "$1") == (None, None)
    assert await order(database) == ["$1"]
