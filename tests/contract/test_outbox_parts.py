"""The parts of long answers, on a real PostgreSQL and in a room of a server in a homeserver's place."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.answers import Op
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.turns import StopReason, Turn, TurnState
from agent_bridge.store.edits import Edits
from support.change_requests import again, note, redaction
from support.conditions import eventually
from support.records import NAMES
from support.turn_rows import row_of, take

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.turns import Turns
    from support.fake_room import FakeRoom

GHOST = NAMES.user_id("agent_frida")


def ops(word: str, number: int = 4) -> list[Op]:
    return [Op(part, f"{word} {part}") for part in range(number)]


async def shows(room: FakeRoom, *texts: str) -> bool:
    return room.texts() == [*texts]


async def intended(turns: Turns, turn: Turn) -> bool:
    return bool(await turns.sends(turn.id))


async def publish(turns: Turns, outbox: Outbox, turn: Turn, parts: list[Op]) -> bool:
    if turn.state is not TurnState.COMMITTED:
        assert await turns.commit(turn, "text", error=None, parts=[op.part for op in parts]) is None
    await outbox.recover()
    return await outbox.publish(parts, TurnState.DONE)


@pytest.fixture
async def asked_again(database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom) -> Turn:
    """The question as it is asked again after a person has redacted the second part of its answer."""
    first = await take(database, lane)
    await publish(turns, Outbox(homeserver, turns, first, GHOST), first, ops("old"))
    room.redact("$1")
    await note(database, redaction("$1"), again())
    change = await take(database, lane)
    assert await Edits(database).ask_again(change)
    await turns.finish(change, TurnState.DONE, {})
    return await take(database, lane)


async def test_after_a_redacted_part_the_later_parts_follow_it(
    turns: Turns, homeserver: Homeserver, room: FakeRoom, asked_again: Turn
) -> None:
    assert await publish(turns, Outbox(homeserver, turns, asked_again, GHOST), asked_again, ops("new"))
    assert room.texts() == ["new 0", "new 1", "new 2", "new 3"]


@pytest.mark.parametrize(
    ("when", "request_name"),
    [
        ("before", "erase.$2"),
        ("before", "erase.$3"),
        ("before", "{key}.1.again1"),
        ("after", "{key}.1.again1"),
        ("before", "{key}.2.again1.next1"),
        ("after", "{key}.2.again1.next1"),
        ("after", "{key}.3.again1.next1"),
    ],
)
async def test_a_kill_between_the_parts_leaves_no_part_behind(
    database: Database,
    lane: int,
    turns: Turns,
    homeserver: Homeserver,
    room: FakeRoom,
    asked_again: Turn,
    when: str,
    request_name: str,
) -> None:
    faults = room.refused if when == "before" else room.lost
    faults.add("ab." + request_name.format(key=asked_again.key))
    with pytest.raises(HomeserverUnavailable):
        await publish(turns, Outbox(homeserver, turns, asked_again, GHOST), asked_again, ops("new"))
    assert not faults
    resumed = await take(database, lane)
    assert await publish(turns, Outbox(homeserver, turns, resumed, GHOST), resumed, ops("new"))
    assert room.texts() == ["new 0", "new 1", "new 2", "new 3"]
    assert [send.event_id for send in await turns.sends(resumed.id)] == [
        event["event_id"] for event in room.events if event["content"] and "m.new_content" not in event["content"]
    ]


async def test_a_part_that_was_refused_once_does_not_cost_the_next_part(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    outbox = Outbox(homeserver, turns, turn, GHOST)
    first, second, third = ops("text", 3)
    await outbox.show(first)
    room.refused.add(f"ab.{turn.key}.1")
    with pytest.raises(HomeserverUnavailable):
        await outbox.show(second)
    await outbox.show(third)
    assert await publish(turns, outbox, turn, [first, second, third])
    assert room.texts() == ["text 0", "text 1", "text 2"]


async def test_a_late_edit_of_a_killed_attempt_is_overtaken(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom
) -> None:
    killed = await take(database, lane)
    outbox = Outbox(homeserver, turns, killed, GHOST)
    await outbox.show(Op(0, "Once", live=True))
    late = room.held[f"ab.{killed.key}.0.1.1"]
    late.clear()
    edit = asyncio.create_task(outbox.show(Op(0, "Once upon", live=True)))
    turn = await take(database, lane)
    overtaking = asyncio.create_task(publish(turns, Outbox(homeserver, turns, turn, GHOST), turn, ops("whole", 1)))
    await eventually(partial(shows, room, "whole 0"), "the whole answer is shown")
    late.set()
    await edit
    assert await overtaking
    assert room.texts() == ["whole 0"]


@pytest.mark.parametrize("number", [1, 3])
async def test_an_answer_that_was_redacted_before_its_event_was_recorded_is_not_said_again(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom, number: int
) -> None:
    turn = await take(database, lane)
    room.lost.add(f"ab.{turn.key}.{number - 1}")
    with pytest.raises(HomeserverUnavailable):
        await publish(turns, Outbox(homeserver, turns, turn, GHOST), turn, ops("whole", number))
    room.redact(f"${number - 1}")
    await note(database, redaction(f"${number - 1}"))
    resumed = await take(database, lane)
    assert not await publish(turns, Outbox(homeserver, turns, resumed, GHOST), resumed, ops("whole", number))
    # The next attempt takes the rest of the answer back.
    withdrawn = await take(database, lane)
    assert withdrawn.stop is StopReason.WITHDRAWN
    assert await publish(turns, Outbox(homeserver, turns, withdrawn, GHOST), withdrawn, [])
    assert (room.texts(), room.edits_of_redacted()) == ([], [])
    row = await row_of(database, "$q")
    assert (row["open"], row["answer"], row["stopped_by"]) == (False, None, "$redaction")
    assert await turns.sends(resumed.id) == []


async def test_an_answer_that_is_redacted_while_it_is_sent_is_withdrawn(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    outbox = Outbox(homeserver, turns, turn, GHOST)
    held = room.held[f"ab.{turn.key}.0"]
    held.clear()
    growing = asyncio.create_task(outbox.show(Op(0, "Once", live=True)))
    await eventually(partial(intended, turns, turn), "the part is being sent")
    await note(database, redaction("$0"))
    held.set()
    await growing
    assert await turns.stops([turn.id]) == {turn.id: StopReason.WITHDRAWN}
    await outbox.show(Op(0, "Once upon", live=True))
    assert room.texts() == ["Once"]


@pytest.mark.parametrize("end", ["withdrawn", "settled", "given up", "asked again"])
async def test_a_part_that_was_sent_without_a_response_does_not_stay_when_nothing_more_is_shown(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom, end: str
) -> None:
    """The homeserver carries the request out after the response was given up."""
    turn = await take(database, lane)
    outbox = Outbox(homeserver, turns, turn, GHOST)
    held = room.held[f"ab.{turn.key}.0"]
    held.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await outbox.show(Op(0, "Once", live=True))
    asyncio.get_running_loop().call_later(0.5, held.set)
    if end == "withdrawn":
        await database.execute("UPDATE turn SET stop = 'withdrawn'")
        await turns.commit(turn, "", error=None, parts=[], stopped=StopReason.WITHDRAWN)
        assert await outbox.publish([], TurnState.STOPPED)
    elif end == "settled":
        assert await outbox.settle(TurnState.FAILED)
    elif end == "given up":
        await outbox.give_up("No answer.", "a test")
    else:
        assert await outbox.withdraw() == [0]
    shown = {"settled": ["Once"], "given up": ["Once", "No answer."]}.get(end, [])
    assert (room.texts(), room.growing()) == (shown, [])


async def test_an_answer_that_was_given_up_and_redacted_is_closed(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    outbox = Outbox(homeserver, turns, turn, GHOST)
    await outbox.show(Op(0, "Once", live=True))
    await note(database, redaction("$0"))
    await outbox.give_up("No answer.", "a test")
    assert (await row_of(database, "$q"))["state"] == TurnState.STOPPED
    assert room.texts() == []


@pytest.mark.parametrize("stop", [StopReason.WITHDRAWN, StopReason.REDACTED])
async def test_an_end_without_an_answer_that_is_shown_once_more_is_closed(
    database: Database, lane: int, turns: Turns, homeserver: Homeserver, room: FakeRoom, stop: StopReason
) -> None:
    """A paused worker goes on after another one gave the message up, and a person redacted something in between."""
    paused = await take(database, lane)
    await Outbox(homeserver, turns, paused, GHOST).show(Op(0, "Once", live=True))
    await turns.finish(await take(database, lane), TurnState.FAILED, {0: "$0"}, error="given up")
    assert await turns.show_again(paused)
    await database.execute("UPDATE turn SET stop = %s", (stop,))
    resumed = await take(database, lane)
    outbox = Outbox(homeserver, turns, resumed, GHOST)
    await outbox.recover()
    assert await outbox.settle(TurnState.FAILED)
    assert not (await row_of(database, "$q"))["open"]
    assert room.texts() == ([] if stop is StopReason.WITHDRAWN else ["Once"])
