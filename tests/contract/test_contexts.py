"""Contexts of a lane on a real PostgreSQL: which messages each has, and what changes of messages do to its copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.answers import AnswerExtras
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.store.contexts import Contexts
from agent_bridge.store.edits import Edits
from agent_bridge.store.effects import Effects
from agent_bridge.store.prune import prune
from agent_bridge.store.transcript import Transcripts
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from support.change_requests import again, edit, note, redaction
from support.turn_rows import BOB, ROOM, accept, add_agent, finish, new, row_of, take

if TYPE_CHECKING:
    from agent_bridge.core.changes import ChangeRequest
    from agent_bridge.store.postgres.database import Database

ALICE = "@alice:example.org"


@pytest.fixture
async def agent(database: Database) -> int:
    return await add_agent(database)


@pytest.fixture
async def lane(database: Database, agent: int) -> int:
    """A lane in which ``$q`` was asked and answered."""
    return await say(database, agent, "$q")


async def say(database: Database, agent: int, event_id: str, room_id: str = ROOM) -> int:
    """Ask the message *event_id*, answer it, and return its lane."""
    (lane,) = await accept(database, new(event_id, room_id, agent))
    await answer(database, lane)
    return lane


async def answer(database: Database, lane: int) -> None:
    """Answer the message at the head of *lane*."""
    turn = await take(database, lane)
    transcript = [ChatMessage("user", turn.body), ChatMessage("assistant", f"answer to {turn.body}")]
    turns = Turns(database)
    assert await turns.commit(turn, "x", error=None, parts=[0], extras=AnswerExtras(), transcript=transcript) is None
    await turns.finish(turn, TurnState.DONE, {0: f"$a{turn.event_id[1:]}-{turn.retries}"})


async def reset(database: Database, agent: int, lane: int, event_id: str) -> int:
    """Run the command *event_id*, by which the lane goes on with a new context; return the context before."""
    await accept(database, new(event_id, ROOM, agent, kind=TurnKind.COMMAND))
    turn = await take(database, lane)
    contexts, effects = Contexts(database), Effects()
    async with database.transaction() as connection:
        await effects.lock(connection, turn.id, turn.attempts)
        before = await contexts.present(connection, lane, turn.session)
        begun = await contexts.begin(connection, lane, f"{ROOM}~{event_id}")
        await effects.put(connection, turn.id, {"context": begun})
    await finish(database, turn)
    return before


async def save(database: Database, lane: int, name: str, owner: str = BOB) -> int:
    async with database.transaction() as connection:
        source = await Contexts(database).present(connection, lane, ROOM)
        return await Contexts(database).save(connection, lane, source, owner, name)


async def load(database: Database, lane: int, context: int, session: str = "loaded") -> int:
    async with database.transaction() as connection:
        await Contexts(database).present(connection, lane, ROOM)
        return await Contexts(database).begin(connection, lane, session, source=context)


async def present(database: Database, lane: int) -> list[str]:
    """Return the questions of the context that goes on in *lane*."""
    return [each.content for each in await Transcripts(database).of_lane(lane, 99) if each.role == "user"]


async def inside(database: Database, context: int) -> list[str]:
    """Return the questions of a context."""
    query = "SELECT content FROM message WHERE context = %s AND role = 'user' ORDER BY id"
    return [row["content"] for row in await database.rows(query, (context,))]


async def test_the_lane_goes_on_without_the_messages_before(database: Database, agent: int, lane: int) -> None:
    first = await reset(database, agent, lane, "$r")
    assert await present(database, lane) == []
    assert await inside(database, first) == ["body of $q"]
    await say(database, agent, "$later")
    assert await present(database, lane) == ["body of $later"]
    turn = await take(database, (await accept(database, new("$next", ROOM, agent)))[0])
    assert turn.session == f"{ROOM}~$r"


async def test_a_conversation_begins_with_its_first_question(database: Database, agent: int, lane: int) -> None:
    """The messages of a turn are recorded together with its answer, which may come hours later."""
    (row,) = await database.rows("UPDATE turn SET created_at = now() - interval '1 hour' RETURNING created_at")
    await say(database, agent, "$r")
    assert await Contexts(database).begun(lane) == (row["created_at"], 4)


async def test_a_conversation_that_ended_goes_on_under_its_name(database: Database, agent: int, lane: int) -> None:
    first = await reset(database, agent, lane, "$r")
    async with database.transaction() as connection:
        await Contexts(database).go_on(connection, lane, first)
    await say(database, agent, "$later")
    assert await present(database, lane) == ["body of $q", "body of $later"]
    await accept(database, new("$next", ROOM, agent))
    assert (await take(database, lane)).session == ROOM


async def test_a_copy_has_the_exact_messages_in_any_room_of_the_agent(
    database: Database, agent: int, lane: int
) -> None:
    await say(database, agent, "$q2")
    saved = await save(database, lane, "both")
    await say(database, agent, "$q3")
    other = await say(database, agent, "$o", "!other:example.org")
    before = await Transcripts(database).of_lane(lane, 99)
    await load(database, other, saved)
    assert await Transcripts(database).of_lane(other, 99) == before[:4]
    await say(database, agent, "$o2", "!other:example.org")
    assert await inside(database, saved) == ["body of $q", "body of $q2"]
    assert await present(database, lane) == ["body of $q", "body of $q2", "body of $q3"]


@pytest.mark.parametrize(
    ("change", "in_present", "in_saved"),
    [
        (edit("new text"), ["new text"], ["body of $q"]),
        (again(), ["body of $q"], ["body of $q"]),
        (redaction(), [], []),
        (redaction("$aq-0"), [], []),
    ],
    ids=["edit", "again", "redaction", "redaction of the answer"],
)
async def test_a_change_of_a_message_that_was_saved(
    database: Database, agent: int, lane: int, change: ChangeRequest, in_present: list[str], in_saved: list[str]
) -> None:
    """An edit and another answer change the context that goes on. A redaction reaches every copy."""
    saved = await save(database, lane, "saved")
    other = await say(database, agent, "$o", "!other:example.org")
    loaded = await load(database, other, saved)
    await note(database, change)
    while (turn := await Turns(database).take(lane)) is not None:
        if turn.kind is TurnKind.MESSAGE:
            await answer(database, lane)
        else:
            await Edits(database).ask_again(turn)
            await finish(database, turn)
    assert await present(database, lane) == in_present
    assert await inside(database, saved) == in_saved
    assert await inside(database, loaded) == in_saved


@pytest.mark.parametrize(
    ("change", "in_present", "in_ended"),
    [
        (edit("new text"), [], ["body of $q"]),
        (again(), ["body of $q"], ["body of $q"]),
        (redaction(), [], []),
    ],
    ids=["edit", "again", "redaction"],
)
async def test_a_change_of_a_message_of_a_conversation_that_ended(
    database: Database, agent: int, lane: int, change: ChangeRequest, in_present: list[str], in_ended: list[str]
) -> None:
    """Its sender cannot have it answered with another text; another answer belongs to the present conversation."""
    first = await reset(database, agent, lane, "$r")
    await note(database, change)
    turn = await Turns(database).take(lane)
    if turn is not None:
        assert await Edits(database).ask_again(turn) == (change.target == "$q" and turn.kind is TurnKind.AGAIN)
        await finish(database, turn)
        if turn.kind is TurnKind.AGAIN:
            await answer(database, lane)
    assert await present(database, lane) == in_present
    assert await inside(database, first) == in_ended


async def test_a_redacted_edit_is_not_asked_again_in_a_new_conversation(
    database: Database, agent: int, lane: int
) -> None:
    await note(database, edit("new text"))
    turn = await take(database, lane)
    assert await Edits(database).ask_again(turn)
    await finish(database, turn)
    await answer(database, lane)
    first = await reset(database, agent, lane, "$r")
    await note(database, redaction("$edit"))
    assert await Turns(database).take(lane) is None
    assert (await present(database, lane), await inside(database, first)) == ([], [])


async def test_a_retry_leaves_the_conversation_that_ended(database: Database, agent: int, lane: int) -> None:
    first = await reset(database, agent, lane, "$r")
    async with database.transaction() as connection:
        await TurnAdmin(database).retry(connection, (await row_of(database, "$q"))["id"], "$retry")
    await answer(database, lane)
    assert (await present(database, lane), await inside(database, first)) == (["body of $q"], ["body of $q"])


async def test_saved_copies_outlive_the_retention_and_empty_contexts_do_not(
    database: Database, agent: int, lane: int
) -> None:
    saved = await save(database, lane, "saved")
    first = await reset(database, agent, lane, "$r")
    await database.execute("UPDATE message SET created_at = now() - interval '9 days'")
    await database.execute("UPDATE context SET ended_at = ended_at - interval '9 days'")
    await prune(database, turns_days=1, transcript_days=8)
    assert (await inside(database, saved), await inside(database, first)) == (["body of $q"], [])
    assert await database.rows("SELECT 1 FROM context WHERE id = %s", (first,)) == []
    # A redaction still finds the copy: its turn stays.
    await database.execute("UPDATE turn SET finished_at = finished_at - interval '9 days'")
    await prune(database, turns_days=1, transcript_days=8)
    assert await row_of(database, "$q")
    # The retention of a loaded copy begins when it is loaded.
    loaded = await load(database, lane, saved)
    await prune(database, turns_days=1, transcript_days=8)
    assert await inside(database, loaded) == ["body of $q"]
    await note(database, redaction())
    assert (await inside(database, saved), await inside(database, loaded)) == ([], [])


async def test_the_entries_are_those_of_the_person_and_of_the_lane(database: Database, agent: int, lane: int) -> None:
    contexts = Contexts(database)
    await save(database, lane, "Bob's")
    await save(database, lane, "Alice's", ALICE)
    await reset(database, agent, lane, "$r1")
    # An empty conversation is not listed.
    await reset(database, agent, lane, "$r2")
    other = await say(database, agent, "$o", "!other:example.org")
    async with database.transaction() as connection:
        here = [(each.name, each.messages) for each in await contexts.entries(connection, lane, BOB)]
        there = [each.name for each in await contexts.entries(connection, other, BOB)]
        assert await contexts.names(connection, BOB, agent) == {"bob's"}
    assert here == [(None, 2), ("Bob's", 2)]
    assert there == ["Bob's"]
    async with database.transaction() as connection:
        (entry,) = await contexts.entries(connection, other, ALICE)
        await contexts.forget(connection, entry.id, BOB)
        assert await contexts.entries(connection, other, ALICE) == (entry,)
        await contexts.forget(connection, entry.id, ALICE)
        assert await contexts.entries(connection, other, ALICE) == ()


async def test_a_server_gets_instructions_once_in_each_conversation(database: Database, agent: int, lane: int) -> None:
    contexts = Contexts(database)
    async with database.transaction() as connection:
        await contexts.instruct(connection, ROOM, agent, "Be brief", "$i", "@bob:example.org")
    assert not await contexts.is_instructed(lane)
    await say(database, agent, "$q2")
    assert await contexts.is_instructed(lane)
    saved = await save(database, lane, "saved")
    await reset(database, agent, lane, "$r")
    assert not await contexts.is_instructed(lane)
    await say(database, agent, "$q3")
    assert await contexts.is_instructed(lane)
    # A copy comes from a conversation that may have had others.
    await load(database, lane, saved)
    assert not await contexts.is_instructed(lane)


async def test_a_server_that_has_no_copy_is_told_the_messages(database: Database, agent: int, lane: int) -> None:
    transcripts = Transcripts(database)
    saved = await save(database, lane, "saved")
    assert not await transcripts.is_forgotten(lane, "up")
    await load(database, lane, saved)
    assert await transcripts.is_forgotten(lane, "up")
    await say(database, agent, "$q2")
    assert not await transcripts.is_forgotten(lane, "up")
    async with database.transaction() as connection:
        await Contexts(database).begin(connection, lane, "copied", source=saved, upstream_ref="conv-1")
    assert not await transcripts.is_forgotten(lane, "up")
