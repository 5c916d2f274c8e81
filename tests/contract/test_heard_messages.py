"""Messages to others, in the transcript of an agent that got them with a question, on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import TurnLost
from agent_bridge.core.transcript import CatchUp, ChatMessage, HeardMessage
from agent_bridge.core.turns import StopReason, TurnState
from agent_bridge.store.contexts import Contexts
from agent_bridge.store.transcript import Transcripts
from support.change_requests import TALK, asked, note, redaction
from support.turn_rows import ROOM, accept, add_agent, take

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.turns import Turns

BOB, EVE = "@bob:example.org", "@eve:example.org"
HEARD = CatchUp((HeardMessage("Bob: one", "$one", BOB), HeardMessage("Eve: two", "$two", EVE, "$edit")), "$q")
ONE, TWO = (each.said for each in HEARD.messages)


@pytest.fixture
async def group(database: Database, lane: int) -> int:
    """The lane of the tests, in a room of several."""
    await database.execute("UPDATE room SET kind = 'lobby', owner = NULL WHERE room_id = %s", (ROOM,))
    return lane


async def commit(turns: Turns, turn: Turn, stopped: StopReason | None = None) -> StopReason | None:
    transcript = () if stopped is StopReason.REDACTED else TALK
    return await turns.commit(
        turn, "The answer", error=None, parts=[0], transcript=transcript, caught_up=HEARD, stopped=stopped
    )


async def said(database: Database, lane: int) -> list[ChatMessage]:
    return await Transcripts(database).of_lane(lane, 20)


async def test_they_come_before_the_question_and_with_the_position(
    database: Database, group: int, turns: Turns
) -> None:
    transcripts = Transcripts(database)
    assert await transcripts.caught_up(group) is None
    turn = await take(database, group)
    assert await commit(turns, turn) is None
    assert await said(database, group) == [ONE, TWO, *TALK]
    assert await transcripts.caught_up(group) == "$q"
    # None of them is given again, nor is a question to the agent.
    assert await transcripts.not_heard(group, ["$one", "$two", "$q", "$new"]) == {"$one", "$two", "$q"}
    # An answer without messages before it leaves the position.
    await turns.finish(turn, TurnState.DONE, {0: "$a"})
    await accept(database, asked("$next", 1))
    await database.execute("UPDATE turn SET conversation = %s WHERE event_id = '$next'", (group,))
    await turns.commit(await take(database, group), "x", error="no", parts=[])
    assert await transcripts.caught_up(group) == "$q"


async def test_a_worker_that_lost_its_turn_writes_none(database: Database, group: int, turns: Turns) -> None:
    lost = await take(database, group)
    turn = await take(database, group)
    with pytest.raises(TurnLost):
        await commit(turns, lost)
    assert (await said(database, group), await Transcripts(database).caught_up(group)) == ([], None)
    assert await commit(turns, turn) is None
    assert await said(database, group) == [ONE, TWO, *TALK]


@pytest.mark.parametrize(
    ("target", "left"), [("$one", [TWO]), ("$two", [ONE]), ("$edit", [ONE]), ("$other", [ONE, TWO])]
)
@pytest.mark.parametrize("when", ["before the answer is committed", "before it is closed", "later"])
async def test_a_redacted_one_is_in_no_later_request(
    database: Database, group: int, turns: Turns, target: str, left: list[ChatMessage], when: str
) -> None:
    turn = await take(database, group)
    if when == "before the answer is committed":
        await note(database, redaction(target))
    assert await commit(turns, turn) is None
    if when == "before it is closed":
        await note(database, redaction(target))
    await turns.finish(turn, TurnState.DONE, {0: "$a"})
    if when == "later":
        # Also from a copy.
        contexts = Contexts(database)
        async with database.transaction() as connection:
            first = await contexts.present(connection, group, "session")
            await contexts.begin(connection, group, "copy", source=first)
        assert await said(database, group) == [ONE, TWO, *TALK]
        await note(database, redaction(target))
        count = "SELECT count(*) AS count FROM message"
        assert (await database.rows(count))[0]["count"] == 2 * len([*left, *TALK])
    assert await said(database, group) == [*left, *TALK]


async def test_they_stay_when_the_question_or_the_answer_is_redacted(
    database: Database, group: int, turns: Turns
) -> None:
    turn = await take(database, group)
    assert await commit(turns, turn) is None
    await turns.finish(turn, TurnState.DONE, {0: "$a"})
    await note(database, redaction("$q"))
    assert await said(database, group) == [ONE, TWO]


async def test_a_withdrawn_answer_brings_none(database: Database, group: int, turns: Turns) -> None:
    turn = await take(database, group)
    await note(database, redaction("$q"))
    assert await commit(turns, turn) is StopReason.WITHDRAWN
    assert (await said(database, group), await Transcripts(database).caught_up(group)) == ([], None)


async def test_an_answer_that_is_forgotten_is_forgotten_by_other_agents(
    database: Database, group: int, turns: Turns
) -> None:
    turn = await take(database, group)
    await turns.commit(turn, "The answer", error=None, parts=[0, 1], transcript=TALK)
    await turns.finish(turn, TurnState.DONE, {0: "$a0", 1: "$a1"})
    await accept(database, asked("$other", await add_agent(database, "Gala", "!gala:example.org")))
    (row,) = await database.rows("SELECT conversation FROM turn WHERE event_id = '$other'")
    other = await take(database, row["conversation"])
    heard = CatchUp(
        tuple(HeardMessage(f"Frida: {each}", f"$a{each}", "@frida:example.org") for each in (0, 1)), "$other"
    )
    await turns.commit(other, "x", error=None, parts=[], transcript=TALK, caught_up=heard)
    assert len(await said(database, other.conversation)) == 4
    # The redaction of the question, and of one message of the answer, forgets all of it.
    await note(database, redaction("$q"))
    assert await said(database, other.conversation) == TALK
