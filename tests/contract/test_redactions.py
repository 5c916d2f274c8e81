"""Redactions of answers, edits and requests, on a real PostgreSQL: nothing of the redacted event stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.answers import AnswerExtras, Part
from agent_bridge.core.approvals import DecisionRequest, DecisionResult, Verdict
from agent_bridge.core.payloads import CommandPayload, MessagePayload, SentEvent
from agent_bridge.core.turns import StopReason, TurnKind, TurnState
from agent_bridge.store.approvals import Approvals
from agent_bridge.store.edits import Edits
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.transcript import Transcripts
from support.change_requests import TALK, again, answer, asked, edit, note, redaction
from support.turn_rows import BOB, ROOM, accept, add_agent, all_rows, collect, content, finish, order, row_of, take

if TYPE_CHECKING:
    from agent_bridge.core.changes import ChangeRequest
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.redactions import Forgotten
    from agent_bridge.store.turns import Turns

SECRET = "The password is swordfish"


async def redact(database: Database, change: ChangeRequest, *, redact_answers: bool = True) -> Forgotten:
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, [ROOM])
        return await Redactions("bot", redact_answers=redact_answers).carry_out(connection, change)


async def publish(turns: Turns, turn: Turn, *parts: int) -> None:
    await turns.commit(turn, SECRET, error=None, parts=parts, transcript=TALK)
    await turns.finish(turn, TurnState.DONE, {part: f"$a{part}" for part in parts})


async def ask(database: Database, turn: Turn) -> None:
    """Ask people about a tool call with a secret."""
    asked = await Approvals(database).ask(turn, ref="r", call_id="c", tool="Bash", arguments=SECRET, always="")
    assert asked is not None


async def is_forgotten(database: Database, word: str) -> bool:
    """Tell whether no table has *word* any more."""
    rows = await database.rows(
        """
        SELECT to_jsonb(t)::text AS row FROM turn t UNION SELECT to_jsonb(m)::text FROM message m
        UNION SELECT to_jsonb(a)::text FROM approval a
        """
    )
    return not any(word in row["row"] for row in rows)


async def apply_edit(database: Database, lane: int, change: ChangeRequest) -> Turn:
    """Have the agent asked with the content of *change*; return the message as its worker claims it."""
    await note(database, change)
    turn = await take(database, lane)
    assert await Edits(database).ask_again(turn)
    await finish(database, turn)
    return await take(database, lane)


@pytest.mark.parametrize("state", [TurnState.DONE, TurnState.FAILED, TurnState.STOPPED])
async def test_a_redacted_answer_is_forgotten_and_its_question_is_not(
    database: Database, turns: Turns, lane: int, state: TurnState
) -> None:
    await answer(database, await take(database, lane), SECRET, state)
    forgotten = await redact(database, redaction("$aq"))
    assert forgotten.events == (SentEvent("$aq", "agent_frida"),)
    row = await row_of(database, "$q")
    assert (row["answer"], row["extras"], row["state"]) == (None, {}, state)
    assert content(row) == MessagePayload("body of $q")
    assert await Transcripts(database).of_lane(lane, 9) == []
    assert await is_forgotten(database, SECRET)
    # The next answer is sent as a new event: no event of the redacted one is known.
    assert await note(database, again()) == [[lane]]
    assert await turns.sends(row["id"]) == []
    before = await all_rows(database)
    assert await redact(database, redaction("$aq")) == type(forgotten)()
    assert await all_rows(database) == before


async def test_one_of_several_parts_is_redacted(database: Database, turns: Turns, lane: int) -> None:
    turn = await take(database, lane)
    await publish(turns, turn, 0, 1, 2)
    await redact(database, redaction("$a1"))
    assert [send.part for send in await turns.sends(turn.id)] == [0, 2]
    assert await is_forgotten(database, SECRET)


@pytest.mark.parametrize("part", [Part.ACTIVITY, Part.FILES[0]])
async def test_a_redacted_aside_or_file_leaves_the_answer(
    database: Database, turns: Turns, lane: int, part: int
) -> None:
    turn = await take(database, lane)
    await publish(turns, turn, part, 0)
    await redact(database, redaction(f"$a{part}"))
    row = await row_of(database, "$q")
    assert (row["answer"], row["extras"]) == (SECRET, {})
    assert await Transcripts(database).of_lane(lane, 9) == TALK


async def test_a_message_waits_on_after_the_notice_of_its_waiting_was_redacted(
    database: Database, turns: Turns, lane: int
) -> None:
    turn = await take(database, lane)
    await turns.intend(turn.id, Part.WAITING)
    await turns.sent(turn, Part.WAITING, "$waits")
    forgotten = await redact(database, redaction("$waits"))
    assert (forgotten.lanes, forgotten.events) == ((), ())
    assert await turns.stops([turn.id]) == {}


async def test_a_redacted_growing_answer_ends_and_nothing_of_it_stays(
    database: Database, turns: Turns, lane: int
) -> None:
    turn = await take(database, lane)
    await turns.intend(turn.id, 0)
    await turns.sent(turn, 0, "$a0")
    forgotten = await redact(database, redaction("$a0"))
    # Its worker redacts the rest.
    assert (forgotten.lanes, forgotten.events) == ((lane,), ())
    assert await turns.stops([turn.id]) == {turn.id: StopReason.WITHDRAWN}
    # The answer was whole at the same moment: the redaction wins.
    assert await turns.commit(turn, SECRET, error=None, parts=[0], transcript=TALK) is StopReason.WITHDRAWN
    assert await is_forgotten(database, SECRET)
    await turns.commit(turn, "", error=None, parts=[], stopped=StopReason.WITHDRAWN)
    assert await turns.finish(turn, TurnState.STOPPED, {}, taken_back=[0])
    assert await turns.sends(turn.id) == []
    assert content(await row_of(database, "$q")) == MessagePayload("body of $q")


async def test_an_answer_that_is_redacted_while_it_is_shown_stays_open_for_its_worker(
    database: Database, turns: Turns, lane: int
) -> None:
    turn = await take(database, lane)
    await turns.intend(turn.id, 0)
    await turns.sent(turn, 0, "$a0")
    assert await turns.commit(turn, SECRET, error=None, parts=[0], extras=AnswerExtras(), transcript=TALK) is None
    await redact(database, redaction("$a0"))
    assert await Transcripts(database).of_lane(lane, 9) == []
    assert await turns.finish(turn, TurnState.DONE, {0: "$a0"}) is None
    assert await order(database) == ["$q"]
    assert await turns.finish(turn, TurnState.STOPPED, {}, taken_back=[0])
    assert await is_forgotten(database, SECRET)


async def test_an_answer_that_is_redacted_before_its_event_is_recorded_stays_open_for_its_worker(
    database: Database, turns: Turns, lane: int
) -> None:
    turn = await take(database, lane)
    assert await turns.commit(turn, SECRET, error=None, parts=[0], transcript=TALK) is None
    assert await redact(database, redaction("$a0")) == await redact(database, redaction("$a0"))
    await redact(database, redaction("$other", "$r2"))
    assert await turns.finish(turn, TurnState.DONE, {0: "$a0"}) is None
    assert await Transcripts(database).of_lane(lane, 9) == []
    row = await row_of(database, "$q")
    assert (row["stop"], row["stopped_by"]) == (StopReason.WITHDRAWN, "$redaction")
    assert await turns.finish(turn, TurnState.STOPPED, {}, taken_back=[0])
    assert await is_forgotten(database, SECRET)


async def test_a_redaction_of_another_event_changes_no_answer(database: Database, turns: Turns, lane: int) -> None:
    turn = await take(database, lane)
    await turns.commit(turn, SECRET, error=None, parts=[0, Part.WAITING], transcript=TALK)
    await redact(database, redaction("$other"))
    await redact(database, redaction("$waits", "$r2"))
    assert not await turns.sent(turn, Part.WAITING, "$waits")
    assert not await turns.sent(turn, 0, "$a0")
    assert await turns.finish(turn, TurnState.DONE, {0: "$a0", Part.WAITING: "$waits"})
    row = await row_of(database, "$q")
    assert (row["state"], row["answer"], row["redactions"]) == (TurnState.DONE, SECRET, {})
    assert await Transcripts(database).of_lane(lane, 9) == TALK


@pytest.mark.parametrize("redact_answers", [True, False])
async def test_the_answer_to_a_redacted_question_is_redacted_if_configured(
    database: Database, turns: Turns, lane: int, *, redact_answers: bool
) -> None:
    turn = await take(database, lane)
    await publish(turns, turn, Part.ACTIVITY, 0, 1, Part.FILES[0])
    forgotten = await redact(database, redaction(), redact_answers=redact_answers)
    shown = [f"$a{part}" for part in (Part.ACTIVITY, 0, 1, Part.FILES[0])]
    assert [event.event_id for event in forgotten.events] == (shown if redact_answers else [])
    assert {event.sender for event in forgotten.events} <= {"agent_frida"}
    assert await is_forgotten(database, SECRET)


async def test_without_the_setting_a_growing_answer_stops_and_stays(
    database: Database, turns: Turns, lane: int
) -> None:
    turn = await take(database, lane)
    await redact(database, redaction(), redact_answers=False)
    assert await turns.stops([turn.id]) == {turn.id: StopReason.REDACTED}
    assert not await turns.ask_the_rest(turn)
    await turns.commit(turn, "Half", error=None, parts=[0], stopped=StopReason.REDACTED)
    assert await turns.finish(turn, TurnState.STOPPED, {0: "$a0"})


async def test_an_answer_to_several_questions_is_redacted_with_the_last_of_them(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await publish(turns, turn, 0)
    assert (await redact(database, redaction("$q", "$r1"))).events == ()
    assert await is_forgotten(database, SECRET)
    assert (await redact(database, redaction("$part", "$r2"))).events == (SentEvent("$a0", "agent_frida"),)


async def test_every_agents_answer_to_a_redacted_question_is_redacted(database: Database, turns: Turns) -> None:
    agents = [await add_agent(database, name, room_id) for name, room_id in (("Ada", "!a"), ("Gala", "!g"))]
    for number, lane in enumerate(await accept(database, asked("$q", *agents))):
        turn = await take(database, lane)
        await turns.commit(turn, SECRET, error=None, parts=[0])
        await turns.finish(turn, TurnState.DONE, {0: f"$a{number}"})
    events = (await redact(database, redaction())).events
    assert events == (SentEvent("$a0", "agent_ada"), SentEvent("$a1", "agent_gala"))


async def test_a_command_that_is_redacted_while_it_runs_gets_its_reply(database: Database, turns: Turns) -> None:
    """It has taken effect: a repeat after a kill must not run another command."""
    (lane,) = await accept(database, asked("$c", kind=TurnKind.COMMAND, payload=CommandPayload("retry $x")))
    turn = await take(database, lane)
    await note(database, redaction("$c"))
    assert await turns.commit(turn, "The agent will be asked again.", error=None, parts=[0]) is None
    again = await take(database, lane)
    assert (again.state, again.answer) == (TurnState.COMMITTED, "The agent will be asked again.")
    assert await turns.finish(again, TurnState.DONE, {0: "$reply"})
    assert (await row_of(database, "$c"))["answer"] is None


async def test_a_redacted_command_is_forgotten_with_its_reply(database: Database, turns: Turns) -> None:
    (lane,) = await accept(database, asked("$c", kind=TurnKind.COMMAND, payload=CommandPayload(SECRET, "$root")))
    await publish(turns, await take(database, lane), 0)
    assert (await redact(database, redaction("$c"))).events == (SentEvent("$a0", "bot"),)
    assert content(await row_of(database, "$c")) == CommandPayload("", "$root")
    assert await is_forgotten(database, SECRET)


async def test_a_redacted_edit_gives_the_original_text_back(database: Database, turns: Turns, lane: int) -> None:
    await answer(database, await take(database, lane))
    await publish(turns, await apply_edit(database, lane, edit(SECRET)), 0)
    forgotten = await redact(database, redaction("$edit"))
    assert await is_forgotten(database, SECRET)
    row = await row_of(database, "$q")
    assert (content(row), row["edited_by"], row["original"]) == (MessagePayload("body of $q"), None, None)
    assert await Transcripts(database).of_lane(lane, 9) == []
    # The answer to the redacted text goes, and the message is asked again.
    assert (forgotten.lanes, forgotten.events) == ((lane,), (SentEvent("$a0", "agent_frida"),))
    retaken = await take(database, lane)
    assert (retaken.event_id, retaken.body, retaken.retries) == ("$q", "body of $q", 2)
    assert await turns.sends(retaken.id) == []


async def test_of_several_edits_the_newest_that_is_left_counts(database: Database, turns: Turns, lane: int) -> None:
    await answer(database, await take(database, lane))
    for number, text in enumerate(("first", "second", SECRET)):
        await publish(turns, await apply_edit(database, lane, edit(text, f"${number}")), 0)
    await redact(database, redaction("$1", "$r1"))
    assert content(await row_of(database, "$q")) == MessagePayload(SECRET)
    await redact(database, redaction("$2", "$r2"))
    assert content(await row_of(database, "$q")) == MessagePayload("first")
    assert (await row_of(database, "$q"))["edited_by"] == "$0"
    await redact(database, redaction("$0", "$r0"))
    assert content(await row_of(database, "$q")) == MessagePayload("body of $q")


async def test_where_more_was_said_a_redacted_edit_is_only_forgotten(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    await answer(database, await take(database, lane))
    await publish(turns, await apply_edit(database, lane, edit(SECRET)), 0)
    await accept(database, asked("$later", agent))
    await answer(database, await take(database, lane))
    await redact(database, redaction("$edit"))
    assert await is_forgotten(database, SECRET)
    assert await order(database) == []
    assert content(await row_of(database, "$q")) == MessagePayload("body of $q")


async def test_where_the_original_text_is_not_known_the_message_is_not_asked_again(
    database: Database, turns: Turns, lane: int
) -> None:
    """An earlier program applied the edit."""
    await answer(database, await take(database, lane))
    await publish(turns, await apply_edit(database, lane, edit(SECRET)), 0)
    await database.execute("UPDATE turn SET original = NULL")
    await redact(database, redaction("$edit"))
    assert await is_forgotten(database, SECRET)
    assert await order(database) == []


async def test_a_redacted_edit_that_waits_is_never_applied(database: Database, lane: int) -> None:
    await answer(database, await take(database, lane))
    await note(database, edit(SECRET))
    await redact(database, redaction("$edit"))
    assert await order(database) == []
    assert await is_forgotten(database, SECRET)


async def test_a_message_that_waits_gets_its_text_back(database: Database, lane: int) -> None:
    await note(database, edit(SECRET))
    await redact(database, redaction("$edit"))
    turn = await take(database, lane)
    assert (turn.body, turn.stop) == ("body of $q", None)
    assert await is_forgotten(database, SECRET)


async def test_an_answer_to_a_redacted_edit_ends_and_the_text_before_is_asked(
    database: Database, turns: Turns, lane: int
) -> None:
    await answer(database, await take(database, lane))
    turn = await apply_edit(database, lane, edit(SECRET))
    await redact(database, redaction("$edit"))
    assert await turns.stops([turn.id]) == {turn.id: StopReason.REDACTED}
    assert await turns.ask_the_rest(turn, taken_back=[0])
    retaken = await take(database, lane)
    assert (retaken.body, retaken.stop) == ("body of $q", None)
    assert await turns.sends(retaken.id) == []


async def test_a_redacted_question_leaves_no_original_text(database: Database, turns: Turns, lane: int) -> None:
    await answer(database, await take(database, lane))
    await publish(turns, await apply_edit(database, lane, edit("better")), 0)
    await redact(database, redaction())
    for word in ("better", "body of $q"):
        assert await is_forgotten(database, word)


async def test_a_withdrawn_request_for_another_answer_is_closed(database: Database, lane: int) -> None:
    await answer(database, await take(database, lane))
    await note(database, again())
    await redact(database, redaction("$again"))
    assert await order(database) == []
    assert (await row_of(database, "$q"))["answer"] == "The answer"


@pytest.mark.parametrize("target", ["$q", "$a0", f"$a{Part.CARDS[0]}", f"$a{Part.ACTIVITY}"])
async def test_a_redaction_forgets_the_tool_calls_that_people_were_asked_about(
    database: Database, turns: Turns, lane: int, target: str
) -> None:
    turn = await take(database, lane)
    await ask(database, turn)
    await turns.commit(turn, "The answer", error=None, parts=[0, Part.ACTIVITY, Part.CARDS[0]])
    await turns.finish(turn, TurnState.DONE, {part: f"$a{part}" for part in (0, Part.ACTIVITY, Part.CARDS[0])})
    assert not await is_forgotten(database, SECRET)
    await redact(database, redaction(target))
    assert await is_forgotten(database, SECRET)


async def test_a_redacted_edit_forgets_the_tool_calls_of_its_answer(
    database: Database, turns: Turns, lane: int
) -> None:
    await answer(database, await take(database, lane))
    turn = await apply_edit(database, lane, edit("another text"))
    await ask(database, turn)
    await publish(turns, turn, 0)
    await redact(database, redaction("$edit"))
    assert await is_forgotten(database, SECRET)


async def test_the_notice_of_waiting_is_no_part_of_an_answer_with_tool_calls(
    database: Database, turns: Turns, lane: int
) -> None:
    turn = await take(database, lane)
    await ask(database, turn)
    await turns.intend(turn.id, Part.WAITING)
    await turns.sent(turn, Part.WAITING, "$waits")
    await redact(database, redaction("$waits"))
    assert not await is_forgotten(database, SECRET)


@pytest.mark.parametrize("step", ["sent", "finish"])
async def test_a_card_that_is_redacted_before_its_event_is_recorded_is_forgotten(
    database: Database, turns: Turns, lane: int, step: str
) -> None:
    turn = await take(database, lane)
    await ask(database, turn)
    card = Part.CARDS[0]
    await turns.intend(turn.id, card)
    await redact(database, redaction("$card"))
    if step == "sent":
        assert await turns.sent(turn, card, "$card")
    else:
        assert await turns.finish(turn, TurnState.DONE, {card: "$card"}) is None
    assert await is_forgotten(database, SECRET)
    # The worker has not noticed it yet.
    asked = await Approvals(database).ask(turn, ref="r2", call_id="c", tool="Bash", arguments=SECRET, always="")
    assert asked is None


@pytest.mark.parametrize("order", ["after", "before"])
async def test_a_redacted_command_is_forgotten_as_the_reason_of_a_decision(
    database: Database, turns: Turns, lane: int, order: str
) -> None:
    turn = await take(database, lane)
    assert await Approvals(database).ask(turn, ref="r", call_id="c", tool="t", arguments="", always="") is not None
    await turns.intend(turn.id, Part.CARDS[0])
    await turns.sent(turn, Part.CARDS[0], "$card")
    await accept(database, asked("$deny", kind=TurnKind.COMMAND, payload=CommandPayload(f"deny {SECRET}")))
    decision = DecisionRequest(ROOM, "$deny", BOB, None, Verdict.DENY, is_admin=False, reason=SECRET)
    if order == "before":
        await redact(database, redaction("$deny"))
    async with database.transaction() as connection:
        assert await Approvals(database).decide(connection, decision) is DecisionResult.TAKEN
    if order == "after":
        await redact(database, redaction("$deny"))
    assert await is_forgotten(database, SECRET)
    assert [each.verdict for each in await Approvals(database).of_turn(turn)] == [Verdict.DENY]
