"""A populated database of a release is migrated: no row is lost, and the bridge still knows its sent events."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from agent_bridge.core.ids import turn_key
from agent_bridge.core.payloads import (
    AgainPayload,
    CommandPayload,
    EditPayload,
    InvitationPayload,
    MessagePayload,
    Payload,
    RedactionPayload,
    RefusalPayload,
    RefusalReason,
    TriggerPayload,
)
from agent_bridge.core.rooms import KindName, Participant
from agent_bridge.core.turns import StopReason, TurnKind, TurnState
from agent_bridge.store.agents import Agents
from agent_bridge.store.edits import Edits
from agent_bridge.store.history import Histories
from agent_bridge.store.payloads import decode, decode_step
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.migrate import check, migrate
from agent_bridge.store.prune import prune
from agent_bridge.store.queue import Queue
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.transcript import Transcripts
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from agent_bridge.store.waiting_reactions import WaitingMessages
from support.change_requests import CHANGES, again, edit, note, redaction
from support.released_databases import load
from support.turn_rows import accept, content, finish, new, row_of, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.postgres import Server

ALICE = "@alice:test.local"


def rows(uri: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(uri, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(query.encode()).fetchall()


@dataclass(frozen=True)
class Released:
    """A database that was migrated, and the rows that it had before."""

    uri: str
    turns: list[dict[str, Any]]
    sends: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    rooms: list[dict[str, Any]]
    jobs: list[dict[str, Any]]


@pytest.fixture(scope="module")
def released(postgres: Server) -> Iterator[Released]:
    with postgres.database() as uri:
        load(uri, "release_0003")
        before = Released(
            uri=uri,
            turns=rows(uri, "SELECT * FROM turn ORDER BY id"),
            sends=rows(uri, "SELECT turn, part, event_id FROM send ORDER BY turn, part"),
            messages=rows(uri, "SELECT id, conversation, role, content FROM message ORDER BY id"),
            rooms=rows(uri, "SELECT * FROM room"),
            jobs=rows(uri, "SELECT id, lock, status FROM procrastinate_jobs ORDER BY id"),
        )
        migrate(uri)
        check(uri)
        yield before


@pytest.fixture
async def database(postgres: Server, released: Released) -> AsyncIterator[Database]:
    """A copy of the database for each test."""
    with postgres.copy(released.uri) as uri:
        async with Database(uri) as opened:
            yield opened


async def lane_of(database: Database, event_id: str) -> int:
    return int((await row_of(database, event_id))["conversation"])


async def test_turns_keep_their_order_their_state_and_their_keys(released: Released, database: Database) -> None:
    after = await database.rows("SELECT * FROM turn ORDER BY id")
    assert len(after) == len(released.turns) == 50
    states = {"answered": "committed"}
    for old, turn in zip(released.turns, after, strict=True):
        same = ["id", "conversation", "sender", "attempts", "retries", "answer", "error", "stop", "steps"]
        assert {name: old[name] for name in same} == {name: turn[name] for name in same}
        # A turn that is open may have waited for its upstream.
        counts = (turn["upstream_waits"], turn["failures"]) if turn["open"] else (turn["failures"], 0)
        assert counts == (old["failures"], 0)
        assert turn["position"] == old["place"]
        assert turn["state"] == states.get(old["state"], old["state"])
        assert turn["open"] == (turn["state"] in {"queued", "running", "committed"})
        # Marks and transaction ids of sent events contain the key.
        assert turn["key"] == hashlib.sha256(old["event_id"].encode()).hexdigest()[:16]
        assert turn["waiting_event_id"] == old["hourglass"]
    found = await database.rows("SELECT turn, part, event_id FROM outbox ORDER BY turn, part")
    assert found == released.sends
    found = await database.rows("SELECT id, conversation, role, content FROM message ORDER BY id")
    assert found == released.messages


async def test_every_payload_and_step_is_read(released: Released, database: Database) -> None:
    old = {row["id"]: row for row in released.turns}
    kinds: set[type[Payload]] = set()
    for row in await database.rows("SELECT id, kind, payload, steps FROM turn"):
        payload, before = decode(row["kind"], row["payload"]), old[row["id"]]["payload"]
        kinds.add(type(payload))
        match payload:
            case MessagePayload(body, file, reply_to):
                assert (body, reply_to) == (before.get("body", ""), before.get("reply_to"))
                assert (file and file.name) == before.get("file", {}).get("name")
            case CommandPayload(body, thread):
                assert (body, thread) == (before["body"], before.get("thread", ""))
            case RefusalPayload(reason, thread, excerpt, limit):
                assert {"reason": reason, "excerpt": excerpt, "limit": limit, "thread": thread} == {
                    "reason": before["reason"],
                    "excerpt": before.get("body", ""),
                    "limit": before.get("limit", 0),
                    "thread": before.get("thread", ""),
                }
            case InvitationPayload(invited):
                assert invited == before["invited"]
            case EditPayload(target, message):
                assert (target, message.body) == (before["target"], before["message"].get("body", ""))
            case AgainPayload(target):
                assert target == before["target"]
        for step in row["steps"]:
            assert decode_step(step).name == step["what"]
    assert kinds == set(Payload.__args__) - {RedactionPayload, TriggerPayload}


async def test_what_was_known_of_turns_is_known(database: Database) -> None:
    edited, change = await row_of(database, "$edited"), await row_of(database, "$edit")
    assert (edited["edited_by"], content(edited)) == ("$edit", MessagePayload("good evening"))
    assert (change["kind"], change["target"]) == ("edit", edited["id"])
    other = await row_of(database, "$again-reaction")
    assert (other["kind"], other["target"]) == ("again", (await row_of(database, "$again"))["id"])
    for event in ("$redacted", "$waiting-3"):
        row = await row_of(database, event)
        assert (row["redacted"], content(row), row["answer"]) == (True, MessagePayload(), None)
    forgotten = content(await row_of(database, "$redacted-edit"))
    assert forgotten == EditPayload("$redacted", MessagePayload())
    refused = await row_of(database, "$full-6")
    assert (refused["reason"], refused["once_key"]) == ("full", None)
    texts = str(await database.rows("SELECT payload FROM turn UNION ALL SELECT to_jsonb(content) FROM message"))
    assert "another secret" not in texts


async def test_a_refusal_that_was_told_is_not_told_again(database: Database) -> None:
    for event, reason in (("$refused", RefusalReason.PERMISSION), ("$encrypted", RefusalReason.ENCRYPTED)):
        row = await row_of(database, event)
        assert (row["kind"], row["reason"], content(row)) == ("refusal", reason, RefusalPayload(reason))
        assert row["once_key"].startswith(f"{reason}:!frida")
        refusal = new("$new", "!frida", kind=TurnKind.REFUSAL)
        assert await accept(database, replace(refusal, once_key=row["once_key"])) == []
    ignored = [row["event_id"] for row in await database.rows("SELECT event_id FROM ignored ORDER BY event_id")]
    assert ignored == ["$encrypted-again", "$notice", "$refused-again"]


async def test_rooms_know_their_kinds_and_their_agents(released: Released, database: Database) -> None:
    names = ["!frida", "!gala", "!hugo", "!jana", "!dm", "!admin-dm", "!group", "!declined", "!refused-dm"]
    rooms = await Rooms(database).contexts(names)
    assert {room_id: room.kind for room_id, room in rooms.items()} == {
        **dict.fromkeys(names[:4], KindName.HOME),
        **dict.fromkeys(names[4:6], KindName.BOT),
        "!group": KindName.GROUP,
    }
    agents = {each.agent.name: each for each in await Agents(database).all()}
    frida = agents["Frida"].agent
    assert rooms["!frida"].owner == frida.id
    names_of_frida = ("Frida", "Letta Agent: Frida")
    assert rooms["!frida"].participants == (Participant(frida.id, "agent_old_frida", names=names_of_frida),)
    assert rooms["!dm"].participants == ()
    assert rooms["!gala"].waiting == 4
    assert {name: each.home.room_id for name, each in agents.items()} == {
        "Frida": "!frida",
        "Gala": "!gala",
        "Hugo": "!hugo",
        "Jana": "!jana",
        "Kim": None,
    }
    cursors = {room["room_id"]: room for room in released.rooms}
    found = await database.rows("SELECT * FROM room WHERE room_id IS NOT NULL")
    assert {row["room_id"] for row in found} == cursors.keys()
    for row in found:
        old = cursors[row["room_id"]]
        assert (row["last_seen"], row["needs_backfill"]) == (old["seen"], old["suspect"])
        assert (row["backfill_requests"], row["backfilled_at"]) == (old["suspicions"], old["compared_at"])
    await Histories(database).require_backfill()
    readers = {room.room_id: room.reader for room in await Histories(database).due(600, 99)}
    assert (readers["!frida"], readers["!group"], len(readers)) == ("agent_old_frida", None, len(cursors))


async def test_lanes_stay_what_they_were(released: Released, database: Database) -> None:
    lanes = await database.rows(
        """
        SELECT c.id, c.room_id, c.thread_id, a.name AS agent, c.lane_kind
        FROM conversation c LEFT JOIN agent a ON a.id = c.agent WHERE c.room_id IN ('!frida', '!dm') ORDER BY c.id
        """
    )
    assert [tuple(lane.values())[1:] for lane in lanes] == [
        ("!frida", "", "Frida", "agent"),
        ("!frida", "$hello", "Frida", "agent"),
        ("!frida", "", None, "bot"),
        ("!dm", "", None, "bot"),
    ]
    # New events join these lanes.
    frida = (await Rooms(database).contexts(["!frida"]))["!frida"].participants[0]
    asked = [
        new("$new-1", "!frida", frida.agent),
        new("$new-2", "!frida", frida.agent, thread="$hello"),
        new("$new-3", "!frida", kind=TurnKind.COMMAND),
        new("$new-4", "!dm", kind=TurnKind.COMMAND),
    ]
    assert await accept(database, *asked) == [lane["id"] for lane in lanes]
    (position,) = await database.rows("SELECT min(position) AS first FROM turn WHERE event_id LIKE '$new-%%'")
    assert position["first"] > max(turn["place"] for turn in released.turns)
    jobs = await database.rows("SELECT id, lock, status FROM procrastinate_jobs ORDER BY id")
    assert jobs == released.jobs != []


async def test_open_turns_are_taken_up_where_they_stood(database: Database) -> None:
    turns = Turns(database)
    committed = await take(database, await lane_of(database, "$committed"))
    assert (committed.event_id, committed.state, committed.answer) == (
        "$committed",
        TurnState.COMMITTED,
        "Echo: shown and not written down",
    )
    assert committed.key == hashlib.sha256(b"$committed").hexdigest()[:16]
    assert [(send.part, send.event_id) for send in await turns.sends(committed.id)] == [(0, None)]
    running = await take(database, await lane_of(database, "$running"))
    assert (running.event_id, running.attempts, running.interruptions) == ("$running", 2, 1)
    assert [(send.part, send.event_id) for send in await turns.sends(running.id)] == [(0, "$running-answer")]
    assert running.agent is not None
    assert (running.agent.name, running.own_room, running.session) == ("Gala", True, "!gala")
    await Queue(database).retry_now()
    await database.execute("UPDATE turn SET not_before = NULL")
    lane = await lane_of(database, "$retrying")
    assert [(await take_and_finish(database, lane)) for _ in range(2)] == ["$retrying", "$behind"]
    await finish(database, running)
    # The message was edited while it waited, and one behind it was redacted.
    lane = running.conversation
    waiting = [await take(database, lane)]
    await finish(database, waiting[0])
    waiting.append(await take(database, lane))
    assert [(turn.event_id, turn.body) for turn in waiting] == [
        ("$waiting-1", "wait one"),
        ("$waiting-2", "wait two, please"),
    ]
    await finish(database, waiting[1])
    change = await take(database, lane)
    assert change.payload == EditPayload("$waiting-2", MessagePayload("wait two, please"))
    assert await Edits(database).ask_again(change)
    await finish(database, change)
    assert await turns.take(lane) is None
    over = {(each.event_id, each.waiting_event_id) for each in await WaitingMessages(database).over(99)}
    assert {event for event, _ in over} == {"$waiting-1", "$waiting-2", "$behind"}
    assert all(reaction for _, reaction in over)


async def take_and_finish(database: Database, lane: int) -> str:
    turn = await take(database, lane)
    await finish(database, turn)
    return turn.event_id


@pytest.mark.parametrize(
    "event",
    ["$hello", "$edited", "$again", "$thought", "$long", "$thread-1", "$reply", "$file", "$failed", "$cut", "$stopped"],
)
async def test_what_was_said_before_is_edited_answered_again_and_forgotten(database: Database, event: str) -> None:
    await Turns(database).finish(
        await take(database, await lane_of(database, "$committed")), TurnState.DONE, {0: "$committed-answer"}
    )
    old = await row_of(database, event)
    lane = old["conversation"]
    shown = (await database.rows("SELECT event_id FROM outbox WHERE turn = %s ORDER BY part", (old["id"],)))[0]
    requests = [
        again(shown["event_id"], "$new-again", room_id="!frida", sender=ALICE),
        edit("better", "$new-edit", event, room_id="!frida", sender=ALICE),
    ]
    assert await note(database, *requests) == [[lane], [lane]]
    asked: list[tuple[str, int]] = []
    while (turn := await Turns(database).take(lane)) is not None:
        if turn.kind in CHANGES:
            # A change has a key of the new kind.
            assert turn.key == turn_key(turn.event_id, "agent_old_frida")
            await Edits(database).ask_again(turn)
        else:
            assert (turn.event_id, turn.key) == (event, old["key"])
            asked.append((turn.body, turn.retries - old["retries"]))
        await finish(database, turn)
    # Both changes get one answer, to the newest text.
    ((text, retries),) = asked
    assert (text.startswith("better"), retries) == (True, 1)
    assert await note(database, redaction(event, room_id="!frida", sender=ALICE)) == [[lane]]
    row = await row_of(database, event)
    assert (row["redacted"], content(row), row["answer"]) == (True, MessagePayload(), None)
    assert await database.rows("SELECT 1 FROM message WHERE turn = %s", (row["collected_into"] or row["id"],)) == []
    assert len(await Transcripts(database).of_lane(lane, 99)) < 99


async def test_people_find_what_was_said_before_by_its_names(database: Database) -> None:
    admin = TurnAdmin(database)
    for reference in ("$hello", "$hello-answer", hashlib.sha256(b"$hello").hexdigest()[:16]):
        (summary,) = await admin.find(reference)
        assert (summary.event_id, summary.agent, summary.state) == ("$hello", "Frida", TurnState.DONE)
    (collected,) = await admin.find("$full-3")
    assert collected.collected_into == "$full-1"
    assert {summary.event_id for summary in await admin.failed(9)} == {"$failed", "$cut"}
    assert [summary.event_id for summary in await admin.open(99)] == [
        "$committed",
        "$running",
        "$waiting-1",
        "$waiting-2",
        "$retrying",
        "$behind",
    ]
    (stopped,) = await admin.find("$waiting-3")
    row = await row_of(database, "$waiting-3")
    assert (stopped.state, row["stop"]) == (TurnState.STOPPED, StopReason.REDACTED)


async def test_old_rows_are_pruned_like_new_ones(database: Database) -> None:
    await database.execute("UPDATE turn SET finished_at = finished_at - interval '1 year'")
    await database.execute("UPDATE message SET created_at = created_at - interval '1 year'")
    assert await prune(database, turns_days=30, transcript_days=180) > 50
    left = await database.rows("SELECT event_id FROM turn ORDER BY position")
    assert [row["event_id"] for row in left] == [
        "$running",
        "$waiting-1",
        "$waiting-2",
        "$waiting-edit",
        "$retrying",
        "$behind",
        "$committed",
    ]
