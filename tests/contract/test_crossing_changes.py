"""Edits, redactions, 🔁, 🛑, ``retry`` and ``drop`` of one message that cross, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.changes import StopRequest
from agent_bridge.core.payloads import CommandPayload, MessagePayload
from agent_bridge.core.turns import StopReason, TurnKind, TurnState
from agent_bridge.store.edits import Edits
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.transcript import Transcripts
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from support.change_requests import CHANGES, TALK, again, answer, asked, edit, note, redaction
from support.many_changes import Talk
from support.turn_rows import (
    ROOM,
    accept,
    add_agent,
    collect,
    content,
    finish,
    order,
    row_of,
    stop,
    take,
    waiting_for_a_lock,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database

#: Talks of the model, and random steps of each of them.
_TALKS, _STEPS = 40, 30


async def retry(database: Database) -> None:
    async with database.transaction() as connection:
        assert await TurnAdmin(database).retry(connection, (await row_of(database, "$q"))["id"], "$retry") is not None


async def drop(database: Database) -> None:
    async with database.transaction() as connection:
        await TurnAdmin(database).drop(connection, (await row_of(database, "$q"))["id"], "$drop")


async def work(database: Database, lane: int) -> list[str]:
    """Do everything that waits in *lane*; return the texts that the agent was asked."""
    bodies = []
    while await order(database):
        turn = await take(database, lane)
        if turn.kind in CHANGES:
            assert await Edits(database).ask_again(turn)
            await finish(database, turn)
        elif turn.stop is not None:
            await end(database, turn, turn.stop)
        else:
            bodies.append(turn.body)
            await answer(database, turn)
    return bodies


async def end(database: Database, turn: Turn, reason: StopReason) -> None:
    """End *turn* early like its worker."""
    turns = Turns(database)
    if reason is StopReason.REDACTED and await turns.ask_the_rest(turn):
        return
    known = await turns.commit(turn, "", error=None, parts=[], stopped=reason)
    if known is not None:
        await end(database, turn, known)
        return
    assert await turns.finish(turn, TurnState.STOPPED, {}) is not None


@pytest.mark.parametrize("interrupts", [False, True])
@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.long if seed % 20 else ()) for seed in range(0, _TALKS, 10)]
)
async def test_the_newest_request_counts_in_any_order(database: Database, seed: int, *, interrupts: bool) -> None:
    agents = [await add_agent(database, name, f"!{name}") for name in ("Ada", "Gala")]
    for number in range(seed, seed + 10):
        talk = Talk(database, agents, number, interrupts)
        await talk.run(_STEPS)
        await talk.check()


@pytest.mark.parametrize("state", [TurnState.FAILED, TurnState.DONE])
@pytest.mark.parametrize(
    "story",
    [
        ["edit", "retry"],
        ["retry", "edit"],
        ["edit", "edit", "retry"],
        ["edit", "retry", "edit"],
        ["retry", "edit", "edit"],
        ["again", "edit"],
        ["again", "edit", "retry"],
        ["edit", "claim", "retry"],
        ["retry", "again", "edit"],
    ],
    ids=" ".join,
)
async def test_the_newest_text_is_asked_once(
    database: Database, lane: int, state: TurnState, story: Sequence[str]
) -> None:
    await answer(database, await take(database, lane), state=state)
    for number, act in enumerate(story):
        match act:
            case "edit":
                await note(database, edit(f"text {number}", f"${number}"))
            case "again":
                await note(database, again(event_id=f"${number}"))
            case "claim":
                assert (await take(database, lane)).kind is TurnKind.EDIT
            case _:
                await retry(database)
    newest = max(number for number, act in enumerate(story) if act == "edit")
    bodies = await work(database, lane)
    # 🔁 after a retry asks for a second answer.
    assert bodies == [f"text {newest}"] * (2 if story == ["retry", "again", "edit"] else 1)
    assert (await row_of(database, "$q"))["answer"] == "The answer"


async def test_an_edit_while_a_retry_runs_ends_it(database: Database, turns: Turns, lane: int) -> None:
    await answer(database, await take(database, lane), state=TurnState.FAILED)
    await note(database, edit("better", "$1"))
    await retry(database)
    await finish(database, await take(database, lane))
    turn = await take(database, lane)
    assert turn.body == "better"
    await note(database, edit("best", "$2"))
    assert await turns.stops([turn.id]) == {turn.id: StopReason.EDITED}
    await answer(database, turn, "Half", TurnState.STOPPED)
    assert await work(database, lane) == ["best"]


async def test_a_refused_edit_is_the_text_of_a_later_retry(database: Database, lane: int, agent: int) -> None:
    await accept(database, asked("$later", agent))
    for _ in range(2):
        await answer(database, await take(database, lane))
    await note(database, edit("better"))
    turn = await take(database, lane)
    assert not await Edits(database).ask_again(turn)
    await finish(database, turn)
    assert content(await row_of(database, "$q")) == MessagePayload("body of $q")
    await retry(database)
    assert await work(database, lane) == ["better"]


async def test_the_answer_to_a_redacted_edit_is_not_left_when_it_is_just_being_shown(
    database: Database, turns: Turns, lane: int
) -> None:
    await note(database, edit("secret"))
    turn = await take(database, lane)
    await turns.commit(turn, "about the secret", error=None, parts=[0], transcript=TALK)
    assert await note(database, redaction("$edit")) == [[lane]]
    assert await Transcripts(database).of_lane(lane, 9) == []
    # The turn stays open, and remembers what it has shown.
    assert await turns.finish(turn, TurnState.DONE, {0: "$a"}) is None
    retaken = await take(database, lane)
    assert (retaken.state, retaken.stop, retaken.body) == (TurnState.COMMITTED, StopReason.REDACTED, "body of $q")
    assert [send.event_id for send in await turns.sends(turn.id)] == ["$a"]
    assert await turns.ask_the_rest(retaken, taken_back=[0])
    assert await turns.sends(turn.id) == []
    assert (await row_of(database, "$q"))["answer"] is None
    assert await work(database, lane) == ["body of $q"]
    assert (await row_of(database, "$q"))["retries"] == 1


async def test_a_turn_that_is_given_up_is_closed_though_an_edit_was_redacted(
    database: Database, turns: Turns, lane: int
) -> None:
    await note(database, edit("secret"))
    turn = await take(database, lane)
    await turns.commit(turn, "about the secret", error=None, parts=[0])
    await note(database, redaction("$edit"))
    assert await turns.finish(turn, TurnState.FAILED, {0: "$a"}, error="it cannot be shown")
    assert (await row_of(database, "$q"))["answer"] is None


@pytest.mark.parametrize("redacted", ["$q", "$part"])
async def test_an_unshown_answer_to_a_redacted_part_is_given_to_the_rest(
    database: Database, turns: Turns, lane: int, agent: int, redacted: str
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await turns.commit(turn, "The answer", error=None, parts=[0], transcript=TALK)
    await note(database, redaction(redacted))
    assert await turns.finish(turn, TurnState.DONE, {0: "$a"}) is None
    assert await turns.ask_the_rest(await take(database, lane))
    assert await work(database, lane) == ["body of $part" if redacted == "$q" else "body of $q"]
    assert (await row_of(database, "$q"))["answer"] == "The answer"


async def test_a_redaction_counts_though_the_worker_knows_of_a_stop_only(
    database: Database, turns: Turns, lane: int
) -> None:
    """The worker stopped because of 🛑, and the message was redacted before its commit."""
    turn = await take(database, lane)
    await stop(database, StopRequest(ROOM, "$stop", "$q"))
    await note(database, redaction())
    stopped = StopReason.STOPPED
    reason = await turns.commit(turn, "Half", error=None, parts=[0], transcript=TALK, stopped=stopped)
    assert reason is StopReason.WITHDRAWN
    assert await Transcripts(database).of_lane(lane, 9) == []


async def test_a_withdrawal_is_not_lost_when_the_rest_is_asked(
    database: Database, turns: Turns, lane: int, agent: int
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await turns.intend(turn.id, 0)
    await turns.sent(turn, 0, "$a0")
    await note(database, redaction("$part", "$r1"), redaction("$a0", "$r2"))
    assert not await turns.ask_the_rest(turn)
    # Nor by the redaction of another message.
    await note(database, redaction("$q", "$r3"))
    assert await turns.stops([turn.id]) == {turn.id: StopReason.WITHDRAWN}


async def test_an_edit_that_is_redacted_while_its_worker_applies_it_has_no_effect(
    database: Database, lane: int
) -> None:
    await answer(database, await take(database, lane))
    await note(database, edit("secret"))
    claimed = await take(database, lane)
    assert claimed.kind is TurnKind.EDIT
    await note(database, redaction("$edit"))
    assert await Edits(database).ask_again(claimed)
    await finish(database, claimed)
    assert content(await row_of(database, "$q")) == MessagePayload("body of $q")
    assert await order(database) == []


@pytest.mark.parametrize("is_over", [False, True])
async def test_an_answer_that_a_redacted_edit_has_ended_is_given_again(
    database: Database, lane: int, *, is_over: bool
) -> None:
    turn = await take(database, lane)
    await note(database, edit("secret"))
    if is_over:
        await answer(database, turn, "Half", TurnState.STOPPED)
        await note(database, redaction("$edit"))
    else:
        await note(database, redaction("$edit"))
        await answer(database, turn, "Half", TurnState.STOPPED)
    assert await work(database, lane) == ["body of $q"]
    assert (await row_of(database, "$q"))["answer"] == "The answer"


@pytest.mark.parametrize("ends_answer", [False, True])
async def test_an_edit_whose_place_a_redacted_edit_took_counts(
    database: Database, lane: int, *, ends_answer: bool
) -> None:
    turn = await take(database, lane)
    if not ends_answer:
        await answer(database, turn)
    await note(database, edit("better", "$1"), edit("secret", "$2"))
    if ends_answer:
        await answer(database, turn, "Half", TurnState.STOPPED)
    await note(database, redaction("$2"))
    assert await work(database, lane) == ["better"]


async def test_an_edit_that_is_found_late_does_not_replace_a_newer_one(database: Database, lane: int) -> None:
    await note(database, edit("best", "$2", said_at=2000))
    await note(database, edit("better", "$1", said_at=1000))
    assert (await take(database, lane)).body == "best"


@pytest.mark.parametrize("reason", ["stop", "drop", "withdraw"])
async def test_an_edit_of_a_message_that_is_about_to_end_is_answered(
    database: Database, turns: Turns, lane: int, reason: str
) -> None:
    turn = await take(database, lane)
    await turns.put_back(turn, delay=60, failed=True, why="busy")
    match reason:
        case "stop":
            await stop(database, StopRequest(ROOM, "$stop", "$q"))
        case "drop":
            await drop(database)
        case _:
            await turns.intend(turn.id, 0)
            await turns.sent(turn, 0, "$a0")
            await note(database, redaction("$a0"))
    await note(database, edit("better"))
    assert await work(database, lane) == ["better"]


async def test_a_stop_ends_the_requests_that_wait_too(database: Database, turns: Turns, lane: int) -> None:
    turn = await take(database, lane)
    await note(database, edit("better", "$1"))
    assert await stop(database, StopRequest(ROOM, "$stop", None)) == [lane, lane]
    assert await turns.stops([turn.id]) == {turn.id: StopReason.STOPPED}
    await answer(database, turn, "Half", TurnState.STOPPED)
    assert await work(database, lane) == []
    # The text is the newest all the same, for the next request.
    await note(database, again(event_id="$2"))
    assert await work(database, lane) == ["better"]


async def test_a_stop_reaches_an_edit_between_two_answers(database: Database, lane: int) -> None:
    await answer(database, await take(database, lane))
    await note(database, edit("better"))
    assert await stop(database, StopRequest(ROOM, "$stop", None)) == [lane]
    # A newer request counts.
    assert await note(database, again(), edit("best", "$2")) == [[lane], [lane]]
    assert await work(database, lane) == ["best"]


@pytest.mark.parametrize("redact_first", [False, True])
@pytest.mark.parametrize("act", ["stop", "drop"])
async def test_a_stopped_answer_stays_stopped_though_a_part_was_redacted(
    database: Database, lane: int, agent: int, act: str, *, redact_first: bool
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    if redact_first:
        await note(database, redaction("$part"))
    await (drop(database) if act == "drop" else stop(database, StopRequest(ROOM, "$stop", "$q")))
    if not redact_first:
        await note(database, redaction("$part"))
    assert await Turns(database).stops([turn.id]) == {turn.id: StopReason.WITHDRAWN}
    await end(database, turn, StopReason.WITHDRAWN)
    assert await work(database, lane) == []


async def test_a_request_in_front_of_a_message_does_not_stand_for_a_newer_one(database: Database, lane: int) -> None:
    """The retry put the message behind the request; then its answer was redacted, and it is wanted after all."""
    await answer(database, await take(database, lane), state=TurnState.FAILED)
    await note(database, again(event_id="$1"))
    await retry(database)
    await note(database, redaction("$aq"))
    assert (await row_of(database, "$q"))["stop"] == StopReason.WITHDRAWN
    assert await note(database, again(event_id="$2")) == [[lane]]
    assert await work(database, lane) == ["body of $q"]


async def test_requests_for_another_answer_to_messages_that_are_answered_together_are_one(
    database: Database, lane: int, agent: int
) -> None:
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await answer(database, turn)
    changes = [again("$part", "$1"), again("$q", "$2"), again("$aq", "$3")]
    assert await note(database, *changes) == [[lane], [], []]
    assert await work(database, lane) == ["body of $q\n\nbody of $part"]


async def test_an_edit_waits_for_the_worker_that_takes_the_whole_question(
    database: Database, turns: Turns, store_url: str, lane: int, agent: int
) -> None:
    """The worker has read the old text of a collected message: the edit must end its answer."""
    await accept(database, asked("$part", agent))
    turn = await take(database, lane)
    await collect(database, turn)
    await turns.put_back(turn, delay=0, failed=True, why="busy")
    async with database.transaction() as connection:
        await connection.execute("UPDATE turn SET state = 'running', attempts = attempts + 1 WHERE id = %s", (turn.id,))
        editing = asyncio.create_task(note(database, edit("better", target="$part")))
        await waiting_for_a_lock(store_url)
    await editing
    assert await turns.stops([turn.id]) == {turn.id: StopReason.EDITED}
    assert await order(database) == ["$q", "$edit"]


async def test_each_agent_gets_the_newest_text(database: Database) -> None:
    """One agent has answered, the other one is answering."""
    agents = [await add_agent(database, name, f"!{name}") for name in ("Ada", "Gala")]
    first, second = await accept(database, asked("$q", *agents))
    await answer(database, await take(database, first))
    running = await take(database, second)
    await note(database, edit("secret", "$1"), edit("better", "$2"), redaction("$1", "$r1"))
    await answer(database, running, "Half", TurnState.STOPPED)
    bodies: dict[int, list[str]] = {first: [], second: []}
    for lane, asked_for in bodies.items():
        while (turn := await Turns(database).take(lane)) is not None:
            if turn.kind in CHANGES:
                assert await Edits(database).ask_again(turn)
                await finish(database, turn)
            else:
                asked_for.append(turn.body)
                await answer(database, turn)
    assert bodies == {first: ["better"], second: ["better"]}


async def test_a_reply_to_a_redacted_command_is_forgotten_while_it_is_being_shown(
    database: Database, turns: Turns
) -> None:
    (lane,) = await accept(database, asked("$c", kind=TurnKind.COMMAND, payload=CommandPayload("secret")))
    turn = await take(database, lane)
    await turns.commit(turn, "secret", error=None, parts=[0])
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, [ROOM])
        forgotten = await Redactions("bot", redact_answers=True).carry_out(connection, redaction("$c"))
    assert forgotten.events == ()
    assert await turns.finish(turn, TurnState.DONE, {0: "$a"})
    assert (await row_of(database, "$c"))["answer"] is None
