"""Mentions of a committed answer: its final event has them, once, also if a process ends between two requests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.answers import Op
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.turns import TurnState
from agent_bridge.store.edits import Edits
from support.change_requests import again, note
from support.records import NAMES
from support.turn_rows import take

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.turns import Turns
    from support.fake_room import FakeRoom

GHOST = NAMES.user_id("agent_frida")
BOB = "@bob:example.org"


@dataclass(frozen=True)
class Answer:
    """An answer, and whether people saw it grow."""

    number: int
    is_streamed: bool = False


@dataclass(frozen=True)
class Kill:
    """A request of an answer, and whether the process ends before or after it."""

    answer: Answer
    request: str
    when: str
    #: Whether the homeserver restarts then, and forgets transaction ids.
    is_forgotten: bool

    @property
    def long(self) -> bool:
        """Whether the case belongs to the long tests: each waits for late edits."""
        return self.when == "before" or self.answer != GROWN


ONE, GROWN, MANY = Answer(1), Answer(1, is_streamed=True), Answer(3)
KILLS = [
    Kill(answer, request, when, is_forgotten)
    for answer, request in [(ONE, "0"), (GROWN, "0.mention0"), (MANY, "1"), (MANY, "2")]
    for when in ("before", "after")
    for is_forgotten in (False, True)
]


def ops(number: int, word: str = "text") -> list[Op]:
    texts = [Op(part, f"{word} {part}") for part in range(number)]
    return [*texts[:-1], replace(texts[-1], mentions=(BOB,))]


def notifying(room: FakeRoom) -> list[dict[str, Any]]:
    """Return the events that notify Bob."""
    return [event for event in room.events if event["content"].get("m.mentions", {}).get("user_ids") == [BOB]]


async def publish(
    turns: Turns, homeserver: Homeserver, turn: Turn, parts: list[Op], *, is_streamed: bool = False
) -> None:
    outbox = Outbox(homeserver, turns, turn, GHOST)
    await outbox.recover()
    if is_streamed:
        await outbox.show(Op(0, "te", live=True))
    if turn.state is not TurnState.COMMITTED:
        assert await turns.commit(turn, "text", error=None, parts=[op.part for op in parts]) is None
    assert await outbox.publish(parts, TurnState.DONE)


@pytest.mark.parametrize("answer", [ONE, GROWN, MANY, Answer(3, is_streamed=True)], ids=repr)
async def test_the_final_event_mentions_a_user(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom, answer: Answer
) -> None:
    turn = await take(database, lane)
    await publish(turns, homeserver, turn, ops(answer.number), is_streamed=answer.is_streamed)
    (event,) = notifying(room)
    content = event["content"]["m.new_content"] if answer == GROWN else event["content"]
    assert content["body"] == f"text {answer.number - 1}"
    assert content["m.mentions"] == {"user_ids": [BOB]}
    assert event is room.events[-1]


@pytest.mark.parametrize("kill", [pytest.param(kill, marks=pytest.mark.long if kill.long else ()) for kill in KILLS])
async def test_a_kill_repeats_no_mention(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom, kill: Kill
) -> None:
    turn, parts = await take(database, lane), ops(kill.answer.number)
    faults = room.refused if kill.when == "before" else room.lost
    faults.add(f"ab.{turn.key}.{kill.request}")
    with pytest.raises(HomeserverUnavailable):
        await publish(turns, homeserver, turn, parts, is_streamed=kill.answer.is_streamed)
    assert not faults
    if kill.is_forgotten:
        room.forget_transactions()
    # The next process ends before the end of the turn is stored.
    outbox = Outbox(homeserver, turns, await take(database, lane), GHOST)
    await outbox.recover()
    for op in parts:
        await outbox.show(op, intended=True)
    if kill.is_forgotten:
        room.forget_transactions()
    await publish(turns, homeserver, await take(database, lane), parts)
    (event,) = notifying(room)
    assert event["content"]["body"].removeprefix("* ") == parts[-1].text
    assert room.texts() == [op.text for op in parts]


async def test_an_edit_that_overtakes_a_late_one_repeats_no_mention(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    outbox = Outbox(homeserver, turns, turn, GHOST)
    await outbox.show(Op(0, "te", live=True))
    late = room.held[f"ab.{turn.key}.0.1.1"]
    late.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await outbox.show(Op(0, "tex", live=True))
    await turns.commit(turn, "text", error=None, parts=[0])
    late.set()
    assert await outbox.publish(ops(1), TurnState.DONE)
    assert len(notifying(room)) == 1
    assert room.texts() == ["text 0"]
    last = room.events[-1]["content"]
    assert last["m.mentions"] == {}
    assert last["m.new_content"]["m.mentions"] == {"user_ids": [BOB]}


async def test_the_first_words_that_were_lost_do_not_cost_the_mention(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    outbox = Outbox(homeserver, turns, turn, GHOST)
    room.lost.add(f"ab.{turn.key}.0")
    with pytest.raises(HomeserverUnavailable):
        await outbox.show(Op(0, "te", live=True))
    await turns.commit(turn, "text", error=None, parts=[0])
    assert await outbox.publish(ops(1), TurnState.DONE)
    assert len(notifying(room)) == 1
    assert room.texts() == ["text 0"]


async def test_another_answer_mentions_once_more(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom
) -> None:
    await publish(turns, homeserver, await take(database, lane), ops(1))
    await note(database, again())
    change = await take(database, lane)
    assert await Edits(database).ask_again(change)
    await turns.finish(change, TurnState.DONE, {})
    await publish(turns, homeserver, await take(database, lane), ops(1, "new"))
    assert len(notifying(room)) == 2
    assert room.texts() == ["new 0"]
