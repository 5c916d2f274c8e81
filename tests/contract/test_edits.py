"""Edits, redactions and retries of messages, on a real PostgreSQL: the newest request counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.answers import AnswerExtras, Notice
from agent_bridge.core.changes import StopRequest
from agent_bridge.core.errors import TurnLost
from agent_bridge.core.payloads import Attachment, MediaKind, MessagePayload, RefusalPayload, RefusalReason
from agent_bridge.core.turns import Addressee, StopReason, TurnKind, TurnState
from agent_bridge.store.edits import ChangeRefusal, Edits, Noted
from agent_bridge.store.history import Histories
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.transcript import Transcripts
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from support.change_requests import CHANGES, TALK, again, answer, asked, edit, note, redaction
from support.conditions import eventually
from support.turn_rows import (
    BOB,
    OTHER,
    ROOM,
    accept,
    add_agent,
    all_rows,
    collect,
    content,
    finish,
    order,
    row_of,
    stop,
    take,
    watch,
)

if TYPE_CHECKING:
    from agent_bridge.core.changes import ChangeRequest
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database

CAROL = "@carol:example.org"
CAT = Attachment(MediaKind.IMAGE, "mxc://x/cat", "cat.png", "image/png", 9, None, voice=False, encrypted=False)
CLOSED = [TurnState.DONE, TurnState.FAILED, TurnState.STOPPED]


async def carry_out(database: Database, lane: int) -> bool:
    """Carry out the change at the head of *lane*; tell whether the change was accepted."""
    turn = await take(database, lane)
    assert turn.kind in CHANGES
    taken = await Edits(database).ask_again(turn)
    await finish(database, turn)
    return taken


async def texts_in(database: Database) -> str:
    """Return every text of people and agents that the database has."""
    rows = await database.rows(
        "SELECT payload::text || coalesce(answer, '') || extras::text AS text FROM turn "
        "UNION ALL SELECT content FROM message"
    )
    return "\n".join(row["text"] for row in rows)


async def test_a_waiting_question_says_the_new_text(database: Database, lane: int) -> None:
    assert await note(database, edit("better")) == [[lane]]
    turn = await take(database, lane)
    assert (turn.event_id, turn.body, turn.retries) == ("$q", "better", 0)
    await answer(database, turn)
    # The answer is already to the new text, so the edit did not wait.
    assert (await row_of(database, "$edit"))["state"] == "done"
    assert await order(database) == []
    assert (await row_of(database, "$q"))["retries"] == 0


async def test_a_question_that_waits_for_another_try_says_the_new_text(
    database: Database, turns: Turns, lane: int
) -> None:
    await turns.put_back(await take(database, lane), delay=0, failed=True, why="busy")
    await note(database, edit("better"))
    assert (await take(database, lane)).body == "better"


async def test_an_edit_keeps_the_other_parts_of_the_message(database: Database, agent: int) -> None:
    payload = MessagePayload("a", CAT, "$x")
    (lane,) = await accept(database, asked("$q", agent, payload=payload))
    await note(database, edit("b"))
    turn = await take(database, lane)
    assert turn.payload == replace(payload, body="b")
    assert (await row_of(database, "$q"))["edited_by"] == "$edit"
    await answer(database, turn)
    await note(database, edit("c", "$edit2"))
    assert await carry_out(database, lane)
    assert (await take(database, lane)).payload == replace(payload, body="c")
    assert (await row_of(database, "$q"))["edited_by"] == "$edit2"


async def test_an_answer_to_the_old_text_ends(database: Database, turns: Turns, lane: int) -> None:
    turn = await take(database, lane)
    assert await note(database, edit("better")) == [[lane]]
    assert await turns.stops([turn.id]) == {turn.id: StopReason.EDITED}
    assert (await row_of(database, "$q"))["stopped_by"] == "$edit"
    await answer(database, turn, "Half", TurnState.STOPPED)
    assert await carry_out(database, lane)
    retaken = await take(database, lane)
    assert (retaken.event_id, retaken.body, retaken.retries, retaken.stop, retaken.answer) == (
        "$q",
        "better",
        1,
        None,
        None,
    )
    # The sent event is edited; the transcript of the old text is deleted.
    assert [send.event_id for send in await turns.sends(retaken.id)] == ["$aq"]
    assert await Transcripts(database).of_lane(lane, 9) == []


async def test_an_answer_that_is_being_shown_is_shown_first(database: Database, turns: Turns, lane: int) -> None:
    turn = await take(database, lane)
    await turns.commit(turn, "The answer", error=None, parts=[0], transcript=TALK)
    await note(database, edit("better"))
    assert await turns.stops([turn.id]) == {}
    await turns.finish(turn, TurnState.DONE, {0: "$aq"})
    assert await carry_out(database, lane)
    assert (await take(database, lane)).body == "better"


@pytest.mark.parametrize("state", CLOSED)
async def test_a_closed_question_is_asked_again(database: Database, lane: int, state: TurnState) -> None:
    await answer(database, await take(database, lane), state=state)
    assert await note(database, edit("better")) == [[lane]]
    # Not before its place in the lane.
    assert content(await row_of(database, "$q")) == MessagePayload("body of $q")
    assert await carry_out(database, lane)
    retaken = await take(database, lane)
    assert (retaken.event_id, retaken.body, retaken.retries) == ("$q", "better", 1)
    assert (retaken.error, retaken.answer, retaken.extras, retaken.stop) == (None, None, AnswerExtras(), None)
    assert await Transcripts(database).of_lane(lane, 9) == []
    assert (await row_of(database, "$q"))["steps"][-2]["what"] == "edited"


async def test_people_cannot_edit_the_messages_of_others(database: Database, lane: int) -> None:
    before = await all_rows(database)
    assert await note(database, edit("worse", sender=CAROL)) == [[]]
    assert await note(database, edit("worse", room_id=OTHER)) == [[]]
    assert await note(database, edit("worse", target="$unknown")) == [[]]
    assert await all_rows(database) == before
    assert (await take(database, lane)).body == "body of $q"


async def test_commands_are_not_changed(database: Database) -> None:
    await accept(database, asked("$q", kind=TurnKind.COMMAND))
    assert await note(database, edit("worse"), again()) == [[], []]


async def test_an_edit_is_noted_once(database: Database, lane: int) -> None:
    assert await note(database, edit("better"), edit("better")) == [[lane], []]
    before = await all_rows(database)
    assert await note(database, edit("better")) == [[]]
    assert await all_rows(database) == before


async def test_two_edits_of_a_waiting_question_are_one_answer(database: Database, lane: int) -> None:
    await note(database, edit("better", "$1"))
    await note(database, edit("best", "$2"))
    turn = await take(database, lane)
    assert turn.body == "best"
    await answer(database, turn)
    # The upstream never got the text in between.
    assert await order(database) == []
    assert content(await row_of(database, "$q")) == MessagePayload("best")


async def test_two_edits_of_an_answered_question_end_with_the_last(database: Database, lane: int) -> None:
    await answer(database, await take(database, lane))
    await note(database, edit("better", "$1"), edit("best", "$2"))
    bodies = []
    while await order(database):
        if (turn := await take(database, lane)).kind in CHANGES:
            assert await Edits(database).ask_again(turn)
            await finish(database, turn)
        else:
            bodies.append(turn.body)
            await answer(database, turn)
    assert bodies[-1] == "best"


async def test_an_edit_ends_a_repeated_question(database: Database, turns: Turns, lane: int) -> None:
    await answer(database, await take(database, lane))
    await note(database, edit("better", "$1"))
    await carry_out(database, lane)
    retaken = await take(database, lane)
    await note(database, edit("best", "$2"))
    assert await turns.stops([retaken.id]) == {retaken.id: StopReason.EDITED}
    await answer(database, retaken, "Half", TurnState.STOPPED)
    assert await carry_out(database, lane)
    assert (await take(database, lane)).body == "best"


async def test_the_past_stays_where_more_was_said(database: Database, turns: Turns, lane: int, agent: int) -> None:
    turn = await take(database, lane)
    await accept(database, asked("$later", agent))
    await note(database, edit("better"))
    assert await turns.stops([turn.id]) == {}
    await answer(database, turn)
    await answer(database, await take(database, lane))
    before = await row_of(database, "$q")
    assert not await carry_out(database, lane)
    assert await row_of(database, "$q") == before
    assert len(await Transcripts(database).of_lane(lane, 9)) == 2 * len(TALK)


async def test_a_message_that_no_agent_was_asked_does_not_count(database: Database, lane: int, agent: int) -> None:
    """It was said after the edit, and redacted; then a comparison gave the edit a new position, behind it."""
    await answer(database, await take(database, lane))
    await note(database, edit("better"))
    await accept(database, asked("$later", agent))
    await note(database, redaction("$later"))
    room = await watch(database)
    async with database.transaction() as connection:
        intake_store = IntakeStore(database)
        await intake_store.lock(connection, [ROOM])
        await intake_store.put_in_order(connection, room, ["$q", "$edit", "$later"])
    assert (await row_of(database, "$edit"))["position"] > (await row_of(database, "$later"))["position"]
    assert await carry_out(database, lane)
    assert (await take(database, lane)).body == "better"


async def test_messages_after_an_edit_are_answered_after_it(database: Database, lane: int, agent: int) -> None:
    await answer(database, await take(database, lane))
    await note(database, edit("better"))
    await accept(database, asked("$later", agent))
    assert await carry_out(database, lane)
    assert await order(database) == ["$q", "$later"]


async def test_messages_of_other_conversations_do_not_count(database: Database, lane: int, agent: int) -> None:
    await answer(database, await take(database, lane))
    await accept(database, asked("$t", agent, thread="$root"), asked("$c", kind=TurnKind.COMMAND))
    await note(database, edit("better"))
    assert await carry_out(database, lane)
    assert (await take(database, lane)).body == "better"


async def test_an_edit_that_a_comparison_finds_takes_its_place(database: Database, lane: int, agent: int) -> None:
    """The edit is older than the messages that the endpoint received since."""
    await answer(database, await take(database, lane))
    await accept(database, asked("$later", agent))
    room = await watch(database)
    async with database.transaction() as connection:
        intake_store = IntakeStore(database)
        await intake_store.lock(connection, [ROOM])
        assert (await Edits(database).note(connection, edit("better"))).lanes == [lane]
        await intake_store.put_in_order(connection, room, ["$q", "$edit", "$later"])
    assert await order(database) == ["$edit", "$later"]
    assert await carry_out(database, lane)
    assert await order(database) == ["$q", "$later"]
    assert (await take(database, lane)).body == "better"


@pytest.mark.parametrize("which", ["$q", "$part"])
async def test_a_collected_question_is_asked_again_with_its_companions(
    database: Database, turns: Turns, lane: int, agent: int, which: str
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    assert await collect(database, turn) == ["$part"]
    await note(database, edit("better", target=which))
    assert await turns.stops([turn.id]) == {turn.id: StopReason.EDITED}
    await answer(database, turn, "Half", TurnState.STOPPED)
    assert await carry_out(database, lane)
    retaken = await take(database, lane)
    bodies = {"$q": "body of $q", "$part": "body of $part"} | {which: "better"}
    assert (retaken.event_id, retaken.body) == ("$q", "\n\n".join(bodies.values()))
    assert (await row_of(database, "$part"))["state"] == "collected"


async def test_a_collected_question_that_waits_for_another_try_says_the_new_text(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await turns.put_back(turn, delay=0, failed=True, why="busy")
    await note(database, edit("better", target="$part"))
    retaken = await take(database, lane)
    assert retaken.body == "body of $q\n\nbetter"
    await answer(database, retaken)
    assert await order(database) == []


@pytest.mark.parametrize("target", ["$q", "$aq"])
@pytest.mark.parametrize("sender", [BOB, CAROL])
@pytest.mark.parametrize("state", CLOSED)
async def test_any_member_has_it_answered_again(
    database: Database, lane: int, target: str, sender: str, state: TurnState
) -> None:
    await answer(database, await take(database, lane), state=state)
    for number in (1, 2):
        change = again(target, f"$again{number}", sender=sender)
        assert await note(database, change, change) == [[lane], []]
        assert await carry_out(database, lane)
        retaken = await take(database, lane)
        assert (retaken.event_id, retaken.body, retaken.retries, retaken.error) == ("$q", "body of $q", number, None)
        assert await Transcripts(database).of_lane(lane, 9) == []
        await answer(database, retaken)


async def test_it_is_answered_again_though_more_was_said(database: Database, lane: int, agent: int) -> None:
    await accept(database, asked("$later", agent))
    for _ in range(2):
        await answer(database, await take(database, lane))
    await note(database, again())
    assert await carry_out(database, lane)
    assert len(await Transcripts(database).of_lane(lane, 9)) == len(TALK)
    assert (await take(database, lane)).event_id == "$q"


async def test_it_is_answered_again_once_where_two_want_it_at_once(database: Database, lane: int) -> None:
    await answer(database, await take(database, lane))
    assert await note(database, again(event_id="$1"), again("$aq", "$2", sender=CAROL)) == [[lane], []]
    assert await carry_out(database, lane)
    await answer(database, await take(database, lane))
    assert await order(database) == []
    # Nothing waits any more.
    assert await note(database, again(event_id="$3")) == [[lane]]


async def test_a_newer_edit_takes_the_place_of_one_that_waits(database: Database, lane: int, agent: int) -> None:
    """More was said since the first edit; the newer one counts all the same."""
    await answer(database, await take(database, lane))
    await note(database, edit("better", "$1"))
    await accept(database, asked("$later", agent))
    assert await note(database, edit("best", "$2")) == [[lane]]
    assert await order(database) == ["$2", "$later"]
    assert (await row_of(database, "$1"))["state"] == "collected"
    assert await carry_out(database, lane)
    assert (await take(database, lane)).body == "best"


@pytest.mark.parametrize("change", [edit("better"), again()])
async def test_a_change_that_may_not_wait_is_refused(database: Database, lane: int, change: ChangeRequest) -> None:
    edits = Edits(database)
    await answer(database, await take(database, lane))
    before = await all_rows(database)
    async with database.transaction() as connection:
        assert await edits.note(connection, change, may_wait=False) == Noted(refusal=ChangeRefusal.FULL)
    assert await all_rows(database) == before


async def test_an_edit_that_needs_no_place_is_not_refused(database: Database, lane: int, agent: int) -> None:
    edits = Edits(database)
    await answer(database, await take(database, lane))
    await note(database, edit("better", "$1"))
    await accept(database, asked("$later", agent))
    async with database.transaction() as connection:
        for each in (edit("best", "$2"), edit("late", "$3", "$later")):
            assert await edits.note(connection, each, may_wait=False) == Noted([lane])
    assert await order(database) == ["$2", "$later"]
    assert content(await row_of(database, "$later")) == MessagePayload("late")


async def test_another_answer_does_not_end_the_one_that_is_coming(database: Database, turns: Turns, lane: int) -> None:
    turn = await take(database, lane)
    await note(database, again())
    assert await turns.stops([turn.id]) == {}
    assert content(await row_of(database, "$q")) == MessagePayload("body of $q")


async def test_an_answer_elsewhere_is_not_given_again(database: Database, lane: int) -> None:
    await answer(database, await take(database, lane))
    assert await note(database, again("$aq", room_id=OTHER), again("$unknown")) == [[], []]


async def test_a_waiting_question_is_dropped(database: Database, lane: int, agent: int) -> None:
    await accept(database, asked("$later", agent))
    assert await note(database, redaction()) == [[lane]]
    row = await row_of(database, "$q")
    assert (row["state"], row["redacted"], row["stop"]) == ("stopped", True, "redacted")
    assert content(row) == MessagePayload()
    assert row["finished_at"] is not None
    assert (await take(database, lane)).event_id == "$later"


async def test_a_question_that_waits_for_another_try_is_closed_by_its_worker(
    database: Database, turns: Turns, lane: int
) -> None:
    """Its answer may be visible, and has to be redacted."""
    await turns.put_back(await take(database, lane), delay=60, failed=True, why="busy")
    assert await note(database, redaction()) == [[lane]]
    turn = await take(database, lane)
    assert (turn.stop, turn.body) == (StopReason.WITHDRAWN, "")


async def test_an_answer_to_a_redacted_question_ends_and_leaves_nothing(
    database: Database, turns: Turns, lane: int
) -> None:
    turn = await take(database, lane)
    assert await note(database, redaction()) == [[lane]]
    assert await turns.stops([turn.id]) == {turn.id: StopReason.WITHDRAWN}
    await end(turns, turn)
    await forgotten(database, lane)


async def test_an_answer_that_ended_just_then_leaves_no_transcript(database: Database, turns: Turns, lane: int) -> None:
    """The worker did not notice the redaction."""
    turn = await take(database, lane)
    await note(database, redaction())
    assert await turns.commit(turn, "The answer", error=None, parts=[0], transcript=TALK) is StopReason.WITHDRAWN
    assert await Transcripts(database).of_lane(lane, 9) == []
    assert "The answer" not in await texts_in(database)
    await end(turns, turn)
    await forgotten(database, lane)


async def test_an_answer_that_is_being_shown_leaves_nothing(database: Database, turns: Turns, lane: int) -> None:
    turn = await take(database, lane)
    await turns.commit(
        turn, "The answer", error=None, parts=[0], extras=AnswerExtras(notice=Notice("The answer too")), transcript=TALK
    )
    assert await note(database, redaction()) == [[lane]]
    assert await Transcripts(database).of_lane(lane, 9) == []
    # The turn stays open until its worker has redacted the answer.
    assert await turns.finish(turn, TurnState.DONE, {0: "$aq"}) is None
    assert await turns.finish(turn, TurnState.STOPPED, {}, taken_back=[0])
    await forgotten(database, lane)


async def end(turns: Turns, turn: Turn) -> None:
    """End an answer like its worker: nothing of it stays."""
    await turns.commit(turn, "", error=None, parts=[], stopped=StopReason.WITHDRAWN)
    assert await turns.finish(turn, TurnState.STOPPED, {})


async def forgotten(database: Database, lane: int) -> None:
    row = await row_of(database, "$q")
    assert (content(row), row["redacted"], row["answer"], row["extras"]) == (MessagePayload(), True, None, {})
    assert await Transcripts(database).of_lane(lane, 9) == []


@pytest.mark.parametrize("state", CLOSED)
async def test_a_redacted_question_is_forgotten_with_its_answer(
    database: Database, turns: Turns, lane: int, state: TurnState
) -> None:
    turn = await take(database, lane)
    await answer(database, turn, state=state)
    assert await note(database, redaction()) == [[lane]]
    await forgotten(database, lane)
    row = await row_of(database, "$q")
    assert (row["state"], row["stop"]) == (state, None)
    # The event of the answer is redacted, and not edited any more.
    assert await turns.sends(turn.id) == []


@pytest.mark.parametrize("state", [TurnState.QUEUED, TurnState.RUNNING, TurnState.DONE])
async def test_taking_back_twice_changes_nothing_more(database: Database, lane: int, state: TurnState) -> None:
    if state is not TurnState.QUEUED:
        turn = await take(database, lane)
        if state is TurnState.DONE:
            await answer(database, turn)
    assert await note(database, redaction()) == [[lane]]
    before = await all_rows(database)
    assert await note(database, redaction(), redaction(event_id="$another")) == [[], []]
    assert await all_rows(database) == before


async def test_a_redaction_of_an_unknown_event_changes_nothing(database: Database, lane: int) -> None:
    before = await all_rows(database)
    assert await note(database, redaction("$unknown"), redaction(room_id=OTHER)) == [[], []]
    assert await all_rows(database) == before
    assert (await take(database, lane)).body == "body of $q"


async def test_redactions_by_others_count(database: Database, lane: int) -> None:
    assert await note(database, redaction(sender=CAROL)) == [[lane]]


async def test_a_collected_question_is_forgotten_with_its_answer(database: Database, lane: int, agent: int) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await answer(database, turn)
    assert await note(database, redaction("$part")) == [[lane]]
    assert await Transcripts(database).of_lane(lane, 9) == []
    part = await row_of(database, "$part")
    assert (part["state"], part["redacted"], part["stop"]) == ("collected", True, None)
    assert content(part) == MessagePayload()
    assert content(await row_of(database, "$q")) == MessagePayload("body of $q")
    # A retry asks the rest of the question.
    await note(database, again())
    assert await carry_out(database, lane)
    assert (await take(database, lane)).body == "body of $q"


async def test_an_answer_to_a_collected_question_ends(database: Database, turns: Turns, lane: int, agent: int) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    assert await note(database, redaction("$part")) == [[lane]]
    assert await turns.stops([turn.id]) == {turn.id: StopReason.REDACTED}


async def test_an_answer_that_is_just_committed_leaves_no_transcript(database: Database, lane: int, agent: int) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)

    async def waits_for_it() -> bool:
        return bool(await database.row("SELECT 1 FROM pg_locks WHERE NOT granted"))

    async with database.transaction() as connection:
        await connection.execute("UPDATE turn SET state = 'committed' WHERE id = %s", (turn.id,))
        await connection.execute(
            "INSERT INTO message (conversation, turn, role, content) VALUES (%s, %s, 'user', 'body of $part')",
            (lane, turn.id),
        )
        forgetting = asyncio.create_task(note(database, redaction("$part")))
        await eventually(waits_for_it, "the redaction waits for the answer")
    await forgetting
    assert await Transcripts(database).of_lane(lane, 9) == []


async def test_others_that_were_collected_keep_their_answer(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await note(database, redaction("$q"))
    assert await turns.ask_the_rest(turn)
    rest = await take(database, lane)
    assert (rest.event_id, rest.body, rest.stop, rest.retries) == ("$q", "body of $part", None, 1)
    await note(database, redaction("$part", "$other_redaction"))
    assert not await turns.ask_the_rest(rest)
    # The worker with the older claim cannot change the turn.
    assert not await turns.ask_the_rest(turn)


async def test_a_collected_question_is_as_late_as_its_companions(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await answer(database, turn)
    await accept(database, asked("$later", agent))
    await answer(database, await take(database, lane))
    async with database.transaction() as connection:
        assert await TurnAdmin(database).retry(connection, turn.id, "$retry") == lane
    retaken = await take(database, lane)
    await note(database, edit("better", target="$part"))
    assert await turns.stops([retaken.id]) == {retaken.id: StopReason.EDITED}
    await answer(database, retaken, "Half", TurnState.STOPPED)
    # The edit stopped the answer of this turn.
    assert await carry_out(database, lane)
    assert (await take(database, lane)).body == "body of $q\n\nbetter"


async def test_no_version_of_a_redacted_message_stays(database: Database, lane: int, agent: int) -> None:
    await accept(database, asked("$other", agent))
    await answer(database, await take(database, lane))
    await note(database, edit("secret one", "$1"), edit("secret two", "$2"), edit("kept", "$3", "$other"))
    await note(database, redaction())
    texts = await texts_in(database)
    assert "secret" not in texts
    assert "body of $q" not in texts
    assert texts.count("kept") == 2


async def test_a_refused_and_redacted_message_leaves_no_excerpt(database: Database) -> None:
    turns, kind = Turns(database), TurnKind.REFUSAL
    full = RefusalPayload(RefusalReason.FULL, "$thread", limit=3)
    excerpts = [asked(f"${body}", kind=kind, payload=replace(full, excerpt=body)) for body in ("a", "b")]
    (lane,) = await accept(database, *excerpts)
    turn = await take(database, lane)
    assert await collect(database, turn) == ["$b"]
    await turns.commit(turn, "not taken: a, b", error=None, parts=[0])
    await finish(database, turn)
    assert await note(database, redaction("$b")) == [[lane]]
    first, second = await row_of(database, "$a"), await row_of(database, "$b")
    assert (content(first), first["answer"]) == (replace(full, excerpt="a"), None)
    assert (content(second), second["answer"]) == (full, None)


async def test_a_redacted_message_does_not_come_back(database: Database, lane: int) -> None:
    await answer(database, await take(database, lane))
    await note(database, edit("secret"))
    await note(database, redaction())
    # The waiting edit finds no text to change.
    assert await carry_out(database, lane)
    # Later requests have no effect either.
    assert await note(database, edit("secret", "$late"), again(event_id="$again"), again("$aq", "$again2")) == [[]] * 3
    async with database.transaction() as connection:
        assert await TurnAdmin(database).retry(connection, (await row_of(database, "$q"))["id"], "$retry") is None
    assert await order(database) == []
    assert "secret" not in await texts_in(database)


async def test_an_edit_that_is_found_late_brings_nothing_back(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await turns.put_back(turn, delay=0, failed=True, why="busy")
    await note(database, redaction("$part"))
    assert await note(database, edit("secret", target="$part")) == [[]]
    assert (await take(database, lane)).body == "body of $q"


@pytest.mark.parametrize("change", [edit("better"), again()])
async def test_a_change_is_carried_out_by_its_last_worker(database: Database, lane: int, change: ChangeRequest) -> None:
    await answer(database, await take(database, lane))
    await note(database, change)
    first, second = await take(database, lane), await take(database, lane)
    before = await all_rows(database)
    with pytest.raises(TurnLost):
        await Edits(database).ask_again(first)
    assert await all_rows(database) == before
    assert await Edits(database).ask_again(second)
    # The question is at the head of the lane, and the change behind it.
    assert (await row_of(database, "$q"))["state"] == "queued"


@pytest.mark.parametrize(("change", "body"), [(edit("better"), "better"), (again(), "body of $q")])
async def test_a_change_whose_worker_died_half_way_is_carried_out_once(
    database: Database, lane: int, change: ChangeRequest, body: str
) -> None:
    """The worker queued the question, and did not close the change."""
    await answer(database, await take(database, lane))
    await note(database, change)
    assert await Edits(database).ask_again(await take(database, lane))
    retries = []
    while await order(database):
        turn = await take(database, lane)
        if turn.kind in CHANGES:
            assert await Edits(database).ask_again(turn)
            await finish(database, turn)
        else:
            retries.append((turn.body, turn.retries))
            await answer(database, turn)
    assert retries == [(body, 1)]


async def test_a_thread_is_a_lane_of_its_own(database: Database, lane: int, agent: int) -> None:
    (thread,) = await accept(database, asked("$t", agent, thread="$root"))
    assert thread != lane
    assert [(await take(database, each)).thread for each in (lane, thread)] == ["", "$root"]
    assert await note(database, edit("better", target="$t"), edit("best", "$2")) == [[thread], [lane]]


async def test_lanes_of_threads_are_held_with_their_room(database: Database, turns: Turns, agent: int) -> None:
    await watch(database)
    room, thread, bot = await accept(
        database, asked("$0", agent), asked("$1", agent, thread="$root"), asked("$2", kind=TurnKind.COMMAND)
    )
    await Histories(database).require_backfill()
    assert [await turns.take(each) for each in (room, thread)] == [None, None]
    assert (await take(database, bot)).event_id == "$2"
    (watched,) = await Histories(database).due(3600, 9)
    async with database.transaction() as connection:
        await Histories(database).backfilled(connection, watched, "$seen")
    assert [(await take(database, each)).event_id for each in (room, thread)] == ["$0", "$1"]


async def test_waiting_messages_in_threads_count(database: Database, agent: int) -> None:
    await accept(database, *(asked(f"${n}", agent, thread=name) for n, name in enumerate(("", "$r", "$r", "$s"))))
    await accept(database, asked("$command", kind=TurnKind.COMMAND))
    rooms = await Rooms(database).contexts([ROOM], events=["$2"])
    assert rooms[ROOM].waiting == 3


@pytest.mark.parametrize(
    ("thread", "ends"),
    [
        pytest.param("", "$room", id="in the room"),
        pytest.param("$r", "$r1", id="in a thread"),
        pytest.param("$s", "$s1", id="in another"),
        pytest.param("$quiet", "$room", id="where nothing is answered: what was asked first"),
    ],
)
async def test_a_stop_ends_the_answer_of_its_thread_first(
    database: Database, agent: int, thread: str, ends: str
) -> None:
    threads = {"$room": "", "$r1": "$r", "$s1": "$s", "$r2": "$r", "$room2": ""}
    lanes = await accept(database, *(asked(event, agent, thread=name) for event, name in threads.items()))
    assert len(lanes) == 3
    await stop(database, StopRequest(ROOM, "$stop", None, thread))
    rows = await database.rows("SELECT event_id FROM turn WHERE stop IS NOT NULL")
    assert [row["event_id"] for row in rows] == [ends]


async def test_threads_take_the_homeservers_order_too(database: Database, agent: int) -> None:
    threads = {"$4": "", "$2": "$r", "$3": "", "$1": "$r"}
    await accept(database, *(asked(event, agent, thread=name) for event, name in threads.items()))
    room = await watch(database)
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, [ROOM])
        await IntakeStore(database).put_in_order(connection, room, ["$1", "$2", "$3", "$4"])
    assert await order(database) == ["$1", "$2", "$3", "$4"]
    heads = await database.rows(
        """
        SELECT c.thread_id, min(t.position) = min(t.position) FILTER (WHERE t.event_id IN ('$1', '$3')) AS right
        FROM turn t JOIN conversation c ON c.id = t.conversation GROUP BY c.thread_id ORDER BY c.thread_id
        """
    )
    assert [tuple(row.values()) for row in heads] == [("", True), ("$r", True)]


async def test_an_edit_waits_for_an_answer_that_is_shown_once_more(database: Database, lane: int) -> None:
    turns, edits = Turns(database), Edits(database)
    paused = await take(database, lane)
    other = await take(database, lane)
    await turns.commit(other, "old", error=None, parts=[0])
    await turns.finish(other, TurnState.DONE, {0: "$a0"})
    await note(database, edit("better"))
    claimed = await take(database, lane)
    assert await turns.show_again(paused)
    with pytest.raises(TurnLost):
        await edits.ask_again(claimed)
    shown = await take(database, lane)
    assert (shown.event_id, shown.state) == (paused.event_id, TurnState.COMMITTED)
    await turns.finish(shown, TurnState.DONE, {0: "$a0"})
    assert await edits.ask_again(await take(database, lane))


async def test_an_edit_for_another_agent_takes_the_message_from_the_first_one(database: Database, lane: int) -> None:
    other = await add_agent(database, "Gala", "!home-of-gala:example.org")
    change = replace(edit("secret"), addressees=(Addressee(other, f"agent_{other}"),))
    edits, intake = Edits(database), IntakeStore(database)
    async with database.transaction() as connection:
        await intake.lock(connection, [ROOM])
        # Gala needs a place in the queue.
        assert await edits.note(connection, change, may_wait=False) == Noted(refusal=ChangeRefusal.FULL)
        assert await edits.shared(connection, replace(change, sender=CAROL)) is None
        for _ in range(2):
            shared = await edits.shared(connection, change)
            assert shared is not None
            await intake.accept(connection, [shared], shared=True)
            noted = await edits.note(connection, change)
    assert noted.refusal is None
    (hers,) = [row["id"] for row in await database.rows("SELECT id FROM conversation WHERE agent = %s", (other,))]
    # The message that waited for the first agent is closed without an answer.
    assert [row["stop"] for row in await all_rows(database) if row["conversation"] == lane] == ["stopped"]
    turn = await take(database, hers)
    assert (turn.event_id, turn.body) == ("$q", "secret")
    await answer(database, turn)
    await note(database, redaction("$edit"))
    assert "secret" not in await texts_in(database)
