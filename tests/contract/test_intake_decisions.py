"""Intake on a real PostgreSQL: it accepts the events of transactions and backfills once and in order, even at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from agent_bridge.core.payloads import CommandPayload, MessagePayload, RefusalPayload, RefusalReason
from agent_bridge.core.rooms import HistoryCursor
from agent_bridge.core.turns import IgnoreReason, StopReason, TurnState
from agent_bridge.matrix.events import parse_event
from agent_bridge.store.edits import Edits
from agent_bridge.store.history import Histories
from support.appservice_client import real_intake
from support.conditions import eventually
from support.jobs import woken
from support.records import NAMES
from support.turn_rows import BOB, ROOM, add_agent, content, finish, order, row_of, take

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Database

LIMIT = 3
WATCHED = HistoryCursor(ROOM, ("agent_frida",), "agent_frida", "$seen", 0)


@pytest.fixture
async def intake(database: Database) -> Intake:
    await add_agent(database)
    return real_intake(database, max_queued=LIMIT)


def said(event_id: str, body: str = "hi", *, sender: str = BOB, msgtype: str = "m.text", **more: Any) -> RoomEvent:
    raw = {"event_id": event_id, "room_id": ROOM, "type": "m.room.message", "sender": sender}
    event = parse_event(raw | {"content": {"msgtype": msgtype, "body": body}} | more)
    assert event is not None
    return event


async def kinds(database: Database) -> dict[str, str]:
    rows = await database.rows("SELECT event_id, kind FROM turn ORDER BY position")
    return {row["event_id"]: row["kind"] for row in rows}


async def test_accepted_events_wake_lanes_and_ignored_events_are_recorded(database: Database, intake: Intake) -> None:
    events = [
        said("$1"),
        said("$notice", msgtype="m.notice"),
        said("$2", "!ab help"),
        said("$own", sender=NAMES.bot),
        said("$3", sender="@x:other.org"),
        said("$4", sender="@x:other.org"),
    ]
    await intake.take("txn", events)
    assert list((await kinds(database)).values()) == ["message", "command", "refusal"]
    lanes = await database.rows("SELECT id FROM conversation ORDER BY id")
    assert await woken(database) == [row["id"] for row in lanes]
    rows = await database.rows("SELECT event_id FROM ignored ORDER BY event_id")
    # A stranger gets one refusal: the turn of the first event.
    assert [row["event_id"] for row in rows] == ["$4", "$notice"]
    assert (await row_of(database, "$3"))["kind"] == "refusal"
    # The homeserver repeats the events: none is new, and no lane is woken.
    await intake.take("txn", events)
    assert await woken(database) == []


async def test_nothing_for_the_bridge_wakes_no_lane(database: Database, intake: Intake) -> None:
    await intake.take("txn", [])
    await intake.take("txn", [said("$own", sender=NAMES.bot), said("$1", room_id="!else:example.org")])
    assert await woken(database) == []


async def test_a_full_lane_refuses_the_rest_in_words(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1"), said("$2")])
    await intake.take("t2", [said("$3"), said("$4", "x" * 70), said("$command", "!ab queue"), said("$5", "y")])
    expected = {"$1": "message", "$2": "message", "$3": "message"}
    assert await kinds(database) == expected | {"$4": "refusal", "$command": "command", "$5": "refusal"}
    row = await row_of(database, "$4")
    assert content(row) == RefusalPayload(RefusalReason.FULL, excerpt="x" * 60 + "…", limit=LIMIT)
    lane = (await row_of(database, "$1"))["conversation"]
    assert row["conversation"] != lane
    # When the homeserver repeats the events, accepted ones stay accepted and refused ones stay refused.
    await intake.take("t2", [said(f"${number}") for number in range(1, 6)])
    assert [kind for kind in (await kinds(database)).values() if kind == "message"] == ["message"] * 3
    await finish(database, await take(database, lane))
    await intake.take("t3", [said("$6")])
    assert (await kinds(database))["$6"] == "message"


async def test_a_stop_is_noted_before_its_command_is_carried_out(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1"), said("$2")])
    await woken(database)
    await intake.take("t2", [said("$stop", "!ab stop")])
    row, command = await row_of(database, "$1"), await row_of(database, "$stop")
    assert (row["stop"], row["stopped_by"]) == (StopReason.STOPPED, "$stop")
    assert await woken(database) == [row["conversation"], command["conversation"]]
    (lane,) = await database.rows("SELECT lane_kind FROM conversation WHERE id = %s", (command["conversation"],))
    assert lane["lane_kind"] == "bot"


async def test_a_stop_in_the_same_transaction_as_its_question(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1"), said("$stop", "!ab stop"), said("$2")])
    assert [(await row_of(database, event))["stop"] for event in ("$1", "$2")] == [StopReason.STOPPED, None]


async def test_a_stop_that_is_handed_over_again_stops_nothing_more(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1"), said("$stop", "!ab stop")])
    lane = (await row_of(database, "$1"))["conversation"]
    await finish(database, await take(database, lane))
    await intake.take("t2", [said("$2")])
    await intake.take("t1", [said("$1"), said("$stop", "!ab stop")])
    assert (await row_of(database, "$2"))["stop"] is None


def changed(event_id: str, body: str, target: str = "$1", **more: Any) -> RoomEvent:
    relation = {"m.relates_to": {"rel_type": "m.replace", "event_id": target}}
    content = {"msgtype": "m.text", "body": f"* {body}", "m.new_content": {"msgtype": "m.text", "body": body}}
    return said(event_id, content=content | relation, **more)


def taken_back(event_id: str, target: str = "$1") -> RoomEvent:
    return said(event_id, type="m.room.redaction", content={}, redacts=target)


def reacted(event_id: str, key: str, target: str = "$1") -> RoomEvent:
    relation = {"rel_type": "m.annotation", "event_id": target, "key": key}
    return said(event_id, type="m.reaction", content={"m.relates_to": relation})


async def test_a_message_that_becomes_a_command_is_withdrawn(database: Database, intake: Intake) -> None:
    events = [said("$1", "!ba help"), said("$2"), changed("$edit", "!ab help")]
    await intake.take("t1", events)
    assert [(await row_of(database, event))["stop"] for event in ("$1", "$2")] == [StopReason.STOPPED, None]
    await database.execute("UPDATE turn SET stop = NULL")
    await intake.take("t1", events)
    assert (await row_of(database, "$1"))["stop"] is None


async def test_a_question_its_change_and_its_end_in_one_transaction(database: Database, intake: Intake) -> None:
    events = [
        said("$1"),
        changed("$edit", "secret"),
        said("$2"),
        taken_back("$redaction"),
        reacted("$again", "🔁", "$2"),
    ]
    await intake.take("txn", events)
    assert await kinds(database) == {"$1": "message", "$edit": "edit", "$2": "message", "$again": "again"}
    rows = [await row_of(database, event) for event in ("$1", "$2")]
    assert [(row["state"], row["redacted"], content(row)) for row in rows] == [
        ("stopped", True, MessagePayload()),
        ("queued", False, MessagePayload("hi")),
    ]
    assert await woken(database) == [rows[0]["conversation"]]
    before = await database.rows("SELECT * FROM turn ORDER BY id")
    await intake.take("txn", events)
    assert await database.rows("SELECT * FROM turn ORDER BY id") == before
    assert "secret" not in str(before)


async def test_a_change_of_nothing_is_told_and_then_marked(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1"), said("$command", "!ab help")])
    changes = [
        changed("$unknown", "x", "$nothing"),
        changed("$others", "x", sender="@carol:example.org"),
        changed("$of-command", "x", "$command"),
        reacted("$again", "🔁", "$nothing"),
        taken_back("$redaction", "$nothing"),
    ]
    await intake.take("t2", changes)
    # The homeserver may have lost their messages.
    assert list(await kinds(database)) == ["$1", "$command"]
    assert await database.rows("SELECT 1 FROM room WHERE needs_backfill")
    await intake.take_backfilled(WATCHED, changes, "$redaction")
    told = RefusalPayload(RefusalReason.UNKNOWN_TARGET)
    expected = {
        "$unknown": told,
        "$others": told,
        "$of-command": replace(told, is_told=True),
        # People do not see a reaction to a reaction.
        "$again": replace(told, is_told=True, target="$nothing"),
    }
    assert {event: content(await row_of(database, event)) for event in expected} == expected
    assert set(await kinds(database)) == {"$1", "$command", *expected}
    assert content(await row_of(database, "$1")) == MessagePayload("hi")


async def test_changes_that_arrive_before_their_message_concern_it(database: Database, intake: Intake) -> None:
    changes = [changed("$edit", "better", "$late"), reacted("$again", "🔁", "$late")]
    for change in changes:
        await intake.take(change.event_id, [change])
    await intake.take("t3", [said("$2")])
    await intake.take_backfilled(WATCHED, [said("$late"), *changes, said("$2")], "$2")
    assert "refusal" not in (await kinds(database)).values()
    assert await order(database) == ["$late", "$again", "$2"]
    assert content(await row_of(database, "$late")) == MessagePayload("better")


async def test_people_change_what_they_say_to_each_other_in_silence(database: Database, intake: Intake) -> None:
    await database.execute("UPDATE room SET kind = 'group', owner = NULL")
    await intake.take("t1", [changed("$edit", "x", "$nothing"), reacted("$again", "🔁", "$nothing")])
    assert await kinds(database) == {}
    rows = await database.rows("SELECT event_id, reason FROM ignored ORDER BY event_id")
    assert [tuple(row.values()) for row in rows] == [("$again", IgnoreReason.CHANGE), ("$edit", IgnoreReason.CHANGE)]


async def test_each_message_that_cannot_be_read_is_answered_or_marked(database: Database, intake: Intake) -> None:
    events = [said(f"${number}", type="m.room.encrypted", content={"ciphertext": "x"}) for number in range(3)]
    told = RefusalPayload(RefusalReason.ENCRYPTED)
    for _ in range(2):
        await intake.take("t1", events)
        payloads = [content(await row_of(database, event.event_id)) for event in events]
        assert payloads == [told, *[replace(told, is_told=True)] * 2]
    assert len(await kinds(database)) == len(events)


async def test_a_backfill_forgets_a_message_whose_redaction_was_lost(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1", "secret"), said("$2")])
    gone: dict[str, Any] = {"content": {}, "unsigned": {"redacted_because": {"event_id": "$redaction"}}}
    for _ in range(2):
        await intake.take_backfilled(WATCHED, [said("$1", **gone), said("$2"), said("$3", **gone)], "$3")
        assert await order(database) == ["$2"]
    assert content(await row_of(database, "$1")) == MessagePayload()
    assert list(await kinds(database)) == ["$1", "$2"]


async def test_a_backfill_finds_a_lost_request_for_another_answer_once(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1")])
    lane = (await row_of(database, "$1"))["conversation"]
    await finish(database, await take(database, lane))
    found = [said("$1"), reacted("$again", "🔁"), reacted("$more", "🔁"), reacted("$stop", "🛑")]
    await intake.take_backfilled(WATCHED, found, "$stop")
    assert await order(database) == ["$again"]
    await finish(database, await take(database, lane))
    await intake.take("t2", [said("$2")])
    await intake.take_backfilled(WATCHED, [*found, said("$2")], "$2")
    assert await order(database) == ["$2"]
    rows = await database.rows("SELECT event_id, reason FROM ignored ORDER BY event_id")
    assert [tuple(row.values()) for row in rows] == [("$more", IgnoreReason.MERGED), ("$stop", IgnoreReason.STOP)]


async def test_a_repeated_transaction_changes_no_later_answer(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1")])
    lane = (await row_of(database, "$1"))["conversation"]
    turn = await take(database, lane)
    events = [reacted("$stop", "🛑"), reacted("$again", "🔁"), reacted("$more", "🔁")]
    await intake.take("t2", events)
    await finish(database, turn, TurnState.STOPPED)
    change = await take(database, lane)
    assert await Edits(database).ask_again(change)
    await finish(database, change)
    before = await database.rows("SELECT * FROM turn ORDER BY id")
    await intake.take("t2", events)
    assert await database.rows("SELECT * FROM turn ORDER BY id") == before


async def test_a_repeated_change_that_was_refused_stays_refused(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1")])
    lane = (await row_of(database, "$1"))["conversation"]
    await finish(database, await take(database, lane))
    await intake.take("t2", [said(f"$new{number}") for number in range(LIMIT)])
    for _ in range(2):
        await intake.take("t3", [changed("$edit", "better", "$1")])
        assert (await kinds(database))["$edit"] == "refusal"
        rows = await database.rows("SELECT kind FROM turn WHERE event_id = '$edit'")
        assert [row["kind"] for row in rows] == ["refusal"]


async def test_a_withdrawn_request_for_another_answer_does_not_wait(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1")])
    await finish(database, await take(database, (await row_of(database, "$1"))["conversation"]))
    for number in range(3):
        await intake.take("t2", [reacted(f"$again{number}", "🔁")])
        await intake.take("t3", [taken_back(f"$redaction{number}", f"$again{number}")])
    assert await order(database) == []


async def test_changes_count_for_the_limit(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said(f"${number}") for number in range(LIMIT)])
    lane = (await row_of(database, "$0"))["conversation"]
    for _ in range(LIMIT):
        await finish(database, await take(database, lane))
    changes = [changed("$edit", "secret", "$0"), reacted("$again", "🔁", "$1"), changed("$last", "x", "$2")]
    await intake.take("t2", changes)
    await intake.take("t3", [said("$new"), changed("$newer", "better", "$0"), reacted("$refused", "🔁", "$2")])
    found = await kinds(database)
    assert [found[event] for event in ("$new", "$newer", "$refused")] == ["refusal", "edit", "refusal"]
    assert await order(database) == ["$newer", "$again", "$last", "$new", "$refused"]
    refused = RefusalPayload(RefusalReason.FULL, limit=LIMIT, target="$2")
    assert content(await row_of(database, "$refused")) == refused


async def test_an_edit_that_was_missed_takes_its_place(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1")])
    lane = (await row_of(database, "$1"))["conversation"]
    await finish(database, await take(database, lane))
    await intake.take("t2", [said("$2")])
    await intake.take_backfilled(WATCHED, [said("$1"), changed("$edit", "better"), said("$2")], "$2")
    assert await order(database) == ["$edit", "$2"]
    # The next backfill knows the edit.
    await intake.take_backfilled(WATCHED, [said("$1"), changed("$edit", "better"), said("$2")], "$2")
    assert await order(database) == ["$edit", "$2"]


async def test_a_redaction_that_was_missed_is_carried_out_each_time_it_is_seen(
    database: Database, intake: Intake
) -> None:
    """A redaction leaves no turn that identifies it. The second time it changes nothing."""
    await intake.take("t1", [said("$1"), said("$2")])
    for _ in range(2):
        await intake.take_backfilled(WATCHED, [said("$1"), said("$2"), taken_back("$redaction")], "$redaction")
        assert await order(database) == ["$2"]


async def test_changes_find_room_in_a_full_lane(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said(f"${number}") for number in range(1, LIMIT + 1)])
    await intake.take("t2", [changed("$edit", "better"), said("$more")])
    assert (await kinds(database))["$edit"] == "edit"
    assert (await kinds(database))["$more"] == "refusal"
    assert content(await row_of(database, "$1")) == MessagePayload("better")


async def test_a_full_room_is_told_in_the_thread_where_it_was_noticed(database: Database, intake: Intake) -> None:
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}}
    picture = {"msgtype": "m.image", "body": "cat.png", "url": "mxc://example.org/cat"} | thread
    await intake.take("t1", [said(f"${number}") for number in range(1, LIMIT + 1)])
    await intake.take("t2", [said("$picture", content=picture)])
    row = await row_of(database, "$picture")
    assert content(row) == RefusalPayload(RefusalReason.FULL, "$root", "cat.png", LIMIT)


async def test_a_stop_in_a_thread_is_noted_there(database: Database, intake: Intake) -> None:
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}}
    inside, stop = ({"msgtype": "m.text", "body": body} | thread for body in ("hi", "!ab stop"))
    await intake.take("t1", [said("$room"), said("$thread", content=inside), said("$stop", content=stop)])
    assert [(await row_of(database, event))["stop"] for event in ("$room", "$thread")] == [None, StopReason.STOPPED]
    assert content(await row_of(database, "$stop")) == CommandPayload("stop", "$root")


async def test_one_event_that_can_never_be_taken_does_not_keep_the_others_out(
    database: Database, intake: Intake
) -> None:
    # An event that the parser accepts by mistake: a constraint of the database refuses it.
    await database.execute("ALTER TABLE turn ADD CONSTRAINT odd CHECK (event_id <> '$odd')")
    try:
        await intake.take("txn", [said("$1"), said("$odd"), said("$2")])
    finally:
        await database.execute("ALTER TABLE turn DROP CONSTRAINT odd")
    assert await order(database) == ["$1", "$2"]
    (kept,) = await database.rows("SELECT transaction_id, reason, body FROM dead_letter")
    assert kept["transaction_id"] == "txn"
    assert "odd" in kept["reason"]
    assert "$odd" in kept["body"]
    assert "hi" not in kept["reason"]


async def test_missed_events_take_their_place(database: Database, intake: Intake) -> None:
    await intake.take("txn", [said("$1"), said("$3")])
    await Histories(database).require_backfill()
    (room,) = await Histories(database).due(600, 1)
    found = [said("$1"), said("$2"), said("$notice", msgtype="m.notice"), said("$3")]
    await intake.take_backfilled(room, found, "$3")
    assert await order(database) == ["$1", "$2", "$3"]
    (row,) = await database.rows("SELECT last_seen, needs_backfill FROM room")
    assert (row["last_seen"], row["needs_backfill"]) == ("$3", False)
    # The room missed no event; the backfill still stores its position.
    await woken(database)
    await intake.take_backfilled(room, found, "$4")
    (row,) = await database.rows("SELECT last_seen FROM room")
    assert row["last_seen"] == "$4"
    assert await woken(database) == []


async def test_the_door_and_the_comparison_bring_the_same_event_at_once(
    database: Database, intake: Intake, store_url: str
) -> None:
    """Neither transaction fails: the second one waits, and finds the event known."""
    await intake.take("t1", [said("$1")])
    # Stops the backfill half-way, after it has accepted the message.
    async with database.transaction() as brake:
        await brake.execute("INSERT INTO ignored (event_id, room_id, reason) VALUES ('$notice', '!', '')")
        comparing = asyncio.create_task(
            intake.take_backfilled(WATCHED, [said("$1"), said("$2"), said("$notice", msgtype="m.notice")], "$notice")
        )
        await waiting(store_url, 1)
        taking = asyncio.create_task(intake.take("t2", [said("$2")]))
        await waiting(store_url, 2)
    results = [*await asyncio.gather(comparing, taking, return_exceptions=True)]
    assert results == [None, None]
    assert await order(database) == ["$1", "$2"]


async def waiting(uri: str, number: int) -> None:
    """Return once *number* transactions wait for another."""
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as observer:

        async def wait() -> bool:
            cursor = await observer.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return await cursor.fetchone() == (number,)

        await eventually(wait, f"{number} transactions wait")


async def test_a_person_can_have_ten_commands_waiting(database: Database, intake: Intake) -> None:
    await intake.take("1", [said(f"$a{number}", "!ab help") for number in range(7)])
    await intake.take("2", [said(f"$b{number}", "!ab help") for number in range(7)])
    await intake.take("2", [said(f"$b{number}", "!ab help") for number in range(7)])
    await intake.take("3", [said("$other", "!ab help", sender="@carol:example.org")])
    found = await kinds(database)
    assert [event_id for event_id, kind in found.items() if kind == "refusal"] == ["$b3", "$b4", "$b5", "$b6"]
    assert found["$other"] == "command"
    assert len(found) == 15


async def test_commands_of_a_stranger_are_one_turn(database: Database, intake: Intake) -> None:
    await intake.take("1", [said(f"${number}", "!ab help", sender="@eve:other.org") for number in range(5)])
    await intake.take("2", [said("$5", "!ab status", sender="@eve:other.org")])
    assert await kinds(database) == {"$0": "refusal"}
