"""A room with two agents, from intake to the table of turns: which agents answer, and how people change that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.payloads import MessagePayload, RedactionPayload, SentEvent
from agent_bridge.core.turns import TurnState
from agent_bridge.matrix.events import parse_event
from agent_bridge.store.edits import Edits
from agent_bridge.store.transcript import Transcripts
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from support.appservice_client import real_intake
from support.change_requests import TALK, answer
from support.turn_rows import BOB, OTHER, ROOM, add_agent, content, finish, row_of, take, take_part, watch

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Database

GROUP = "!group:example.org"
FRIDA, GALA = "@agent_frida:example.org", "@agent_gala:example.org"


@pytest.fixture
async def agents(database: Database) -> tuple[int, int]:
    """Frida and Gala, both in a room of people."""
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    await watch(database, GROUP)
    await take_part(database, GROUP, frida, gala)
    return frida, gala


@pytest.fixture
def intake(database: Database, agents: tuple[int, int]) -> Intake:
    assert len(agents) == 2
    return real_intake(database, max_queued=3)


def said(event_id: str, *mentions: str, **more: Any) -> RoomEvent:
    content = {"msgtype": "m.text", "body": "hi", "m.mentions": {"user_ids": list(mentions)}}
    raw = {"event_id": event_id, "room_id": GROUP, "type": "m.room.message", "sender": BOB, "content": content}
    event = parse_event(raw | more)
    assert event is not None
    return event


def reply(event_id: str, target: str) -> RoomEvent:
    related = {"m.in_reply_to": {"event_id": target}}
    return said(event_id, content={"msgtype": "m.text", "body": "hi", "m.relates_to": related})


def command(event_id: str, body: str, *, thread: str = "") -> RoomEvent:
    related = {"m.relates_to": {"rel_type": "m.thread", "event_id": thread}} if thread else {}
    return said(event_id, content={"msgtype": "m.text", "body": f"!ab {body}"} | related)


def reacted(event_id: str, key: str, target: str) -> RoomEvent:
    relation = {"rel_type": "m.annotation", "event_id": target, "key": key}
    return said(event_id, type="m.reaction", content={"m.relates_to": relation})


async def turns_of(database: Database, event_id: str) -> list[tuple[str, str]]:
    """Return kind and agent of each turn of an event."""
    return [(summary.kind, summary.agent or "bot") for summary in await TurnAdmin(database).find(event_id)]


async def lanes(database: Database) -> list[int]:
    return [row["id"] for row in await database.rows("SELECT id FROM conversation WHERE agent IS NOT NULL ORDER BY id")]


async def stopped(database: Database) -> list[tuple[str, str]]:
    """Return event and agent of each turn with a request to stop."""
    rows = await database.rows(
        """
        SELECT t.event_id, a.name
        FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
        WHERE t.stop IS NOT NULL ORDER BY t.id
        """
    )
    return [(row["event_id"], row["name"]) for row in rows]


async def test_a_message_is_for_the_agents_that_it_mentions(database: Database, intake: Intake) -> None:
    await intake.take("txn", [said("$both", FRIDA, GALA), said("$one", GALA), said("$none"), said("$else", BOB)])
    assert await turns_of(database, "$both") == [("message", "Frida"), ("message", "Gala")]
    assert await turns_of(database, "$one") == [("message", "Gala")]
    # A message among people is for no agent.
    for event in ("$none", "$else"):
        assert await turns_of(database, event) == []
    assert await database.rows("SELECT event_id FROM ignored") == []


async def test_a_reply_is_for_the_agent_whose_message_it_replies_to(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$both", FRIDA, GALA)])
    for lane, shown in zip(await lanes(database), ("$of-frida", "$of-gala"), strict=True):
        turn = await take(database, lane)
        await Turns(database).commit(turn, "x", error=None, parts=[0])
        await Turns(database).finish(turn, TurnState.DONE, {0: shown})
    await intake.take("t2", [reply("$reply", "$of-gala"), reply("$to-a-person", "$both")])
    assert await turns_of(database, "$reply") == [("message", "Gala")]
    assert await turns_of(database, "$to-a-person") == []


async def test_an_agent_that_left_the_room_answers_nothing_there(database: Database, intake: Intake) -> None:
    await database.execute("UPDATE participant SET state = 'left' FROM agent WHERE id = agent AND name = 'Frida'")
    await intake.take("txn", [said("$both", FRIDA, GALA)])
    assert await turns_of(database, "$both") == [("message", "Gala")]


async def test_commands_and_refusals_are_the_bots_and_one(database: Database, intake: Intake) -> None:
    events = [
        command("$help", "help"),
        said("$stranger", FRIDA, GALA, sender="@x:other.org"),
        said("$1", FRIDA, GALA),
        said("$full", FRIDA, GALA),
    ]
    for _ in range(2):
        await intake.take("txn", events)
    kinds = {event.event_id: await turns_of(database, event.event_id) for event in events}
    assert kinds == {
        "$help": [("command", "bot")],
        "$stranger": [("refusal", "bot")],
        "$1": [("message", "Frida"), ("message", "Gala")],
        "$full": [("refusal", "bot")],
    }


async def test_an_event_that_is_handed_over_again_is_nobody_elses(database: Database, intake: Intake) -> None:
    """Gala joined the room in between."""
    await database.execute("UPDATE participant SET state = 'left' FROM agent WHERE id = agent AND name = 'Gala'")
    await intake.take("t1", [said("$1", FRIDA, GALA)])
    await database.execute("UPDATE participant SET state = 'joined'")
    # The repeated event is not counted as another waiting message.
    await intake.take("t1", [said("$1", FRIDA, GALA), said("$2", FRIDA, GALA)])
    assert await turns_of(database, "$1") == [("message", "Frida")]
    assert len(await turns_of(database, "$2")) == 2


async def test_an_edit_is_about_all_answers(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1", FRIDA, GALA)])
    of_frida, of_gala = await lanes(database)
    await answer(database, await take(database, of_frida))
    await take(database, of_gala)
    new = {"msgtype": "m.text", "body": "better"}
    relation = {"rel_type": "m.replace", "event_id": "$1"}
    edit = said(
        "$edit", content={"msgtype": "m.text", "body": "* better", "m.new_content": new, "m.relates_to": relation}
    )
    for _ in range(2):
        await intake.take("t2", [edit])
    assert await turns_of(database, "$edit") == [("edit", "Frida"), ("edit", "Gala")]
    # Gala's answer is stopped, and both agents are asked again.
    assert await stopped(database) == [("$1", "Gala")]
    await finish(database, await take(database, of_gala))
    for lane in (of_frida, of_gala):
        change = await take(database, lane)
        assert await Edits(database).ask_again(change)
        await finish(database, change)
        turn = await take(database, lane)
        assert (turn.event_id, turn.payload, turn.retries) == ("$1", MessagePayload("better"), 1)


async def test_a_redaction_forgets_it_for_all(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1", FRIDA, GALA)])
    of_frida, of_gala = await lanes(database)
    await answer(database, await take(database, of_frida))
    assert await Transcripts(database).of_lane(of_frida, 9) == TALK
    await intake.take("t2", [said("$redaction", type="m.room.redaction", content={}, redacts="$1")])
    rows = await database.rows("SELECT kind, payload, redacted, state FROM turn WHERE kind = 'message' ORDER BY id")
    assert content(await row_of(database, "$redaction")) == RedactionPayload((SentEvent("$a1", "agent_frida"),))
    assert [(content(row), row["redacted"]) for row in rows] == [(MessagePayload(), True)] * 2
    assert [row["state"] for row in rows] == ["done", "stopped"]
    assert await Transcripts(database).of_lane(of_frida, 9) == []
    assert await Turns(database).take(of_gala) is None


@pytest.mark.parametrize(
    ("target", "again"),
    [
        pytest.param("$1", ["Frida", "Gala"], id="the question: both answers"),
        pytest.param("$of-gala", ["Gala"], id="an answer: that one"),
    ],
)
async def test_another_answer(database: Database, intake: Intake, target: str, again: list[str]) -> None:
    await intake.take("t1", [said("$1", FRIDA, GALA)])
    for lane, shown in zip(await lanes(database), ("$of-frida", "$of-gala"), strict=True):
        turn = await take(database, lane)
        await Turns(database).intend(turn.id, 0)
        await Turns(database).sent(turn, 0, shown)
        await finish(database, turn)
    await intake.take("t2", [reacted("$again", "🔁", target)])
    assert await turns_of(database, "$again") == [("again", name) for name in again]


@pytest.mark.parametrize(
    ("stop", "ends"),
    [
        pytest.param(reacted("$stop", "🛑", "$1"), [("$1", "Frida"), ("$1", "Gala")], id="the question: both answers"),
        pytest.param(reacted("$stop", "🛑", "$of-gala"), [("$1", "Gala")], id="an answer: that one"),
        pytest.param(
            command("$stop", "stop"), [("$1", "Frida"), ("$1", "Gala")], id="a command: what is answered in its thread"
        ),
        pytest.param(command("$stop", "stop", thread="$root"), [("$2", "Gala")], id="a command in a thread"),
    ],
)
async def test_a_stop(database: Database, intake: Intake, stop: RoomEvent, ends: list[tuple[str, str]]) -> None:
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}, "m.mentions": {"user_ids": [GALA]}}
    in_thread = said("$2", content={"msgtype": "m.text", "body": "hi"} | thread)
    await intake.take("t1", [said("$1", FRIDA, GALA), in_thread])
    for lane, shown in zip(await lanes(database), ("$of-frida", "$of-gala", "$in-thread"), strict=True):
        turn = await take(database, lane)
        await Turns(database).intend(turn.id, 0)
        await Turns(database).sent(turn, 0, shown)
    await intake.take("t2", [stop])
    assert await stopped(database) == ends


async def test_an_agents_thread_is_about_its_own_conversation(database: Database, intake: Intake) -> None:
    await intake.take("t1", [said("$1", FRIDA, GALA)])
    of_frida, of_gala = await lanes(database)
    await answer(database, await take(database, of_frida))
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": "$1"}, "m.mentions": {"user_ids": [FRIDA, GALA]}}
    await intake.take("t2", [said("$t", content={"msgtype": "m.text", "body": "hi"} | thread)])
    threads = [lane for lane in await lanes(database) if lane not in {of_frida, of_gala}]
    transcripts = Transcripts(database)
    assert [await transcripts.of_room(lane, 9) for lane in threads] == [TALK, []]
    assert [await transcripts.of_lane(lane, 9) for lane in threads] == [[], []]


async def test_homes_are_not_touched_by_a_group(database: Database, intake: Intake) -> None:
    at_home = said("$home", room_id=ROOM)
    await intake.take("t1", [at_home, said("$1", FRIDA)])
    assert await turns_of(database, "$home") == [("message", "Frida")]
    keys = await database.rows("SELECT key FROM turn")
    assert len({row["key"] for row in keys}) == 2
