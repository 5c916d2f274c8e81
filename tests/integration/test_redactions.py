"""People redact questions, answers and edits on a real homeserver."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from support.conditions import eventually
from support.outages import outage_noticed
from support.scripted_upstream import ScriptedUpstream, says, waits_for

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Conversation
    from support.shared_bridge import SharedBridge

SECRET = "swordfish"


async def texts_of(talk: Conversation) -> str:
    """Return all that the homeserver still has of the agent in the room, edits too."""
    events = await talk.person.history(talk.room_id)
    return "\n".join(str(event["content"]) for event in events if event["sender"] == talk.ghost)


async def is_gone(talk: Conversation) -> bool:
    return SECRET not in await texts_of(talk)


async def redact_as_ghost(talk: Conversation, event_id: str) -> None:
    """Redact an answer as an administrator does: by another event than those of the bridge."""
    levels = await talk.running.homeserver.state(talk.room_id, "m.room.power_levels", as_user=talk.ghost)
    assert levels is not None
    content = levels["content"] | {"redact": 0}
    await talk.running.homeserver.set_state(talk.room_id, "m.room.power_levels", content, as_user=talk.ghost)
    await talk.person.redact(talk.room_id, event_id)


async def test_a_redacted_answer_is_given_again_as_a_new_message(shared: SharedBridge) -> None:
    async with ScriptedUpstream("painter") as upstream, shared.talk(upstream) as talk:
        gate = asyncio.Event()
        upstream.scripts += [waits_for(gate, f"{SECRET} is", " a fish"), says("blue")]
        question = await talk.say("a colour?")
        await talk.person.wait_for(lambda: talk.answers)
        gate.set()
        (answer,) = await talk.wait_for_answers(1)
        await redact_as_ghost(talk, answer.event_id)
        await eventually(lambda: is_gone(talk), "the edits of the answer are redacted too")
        await talk.person.react(talk.room_id, question, "🔁")
        await talk.person.wait_for(lambda: [m.body for m in talk.answers if m.body] == ["blue"])
        assert talk.answers[-1].event_id != answer.event_id
        await talk.say("and now?")
        await talk.person.wait_for(lambda: "now" in talk.answers[-1].body)
        history = [message["content"] for message in upstream.asked[-1]["messages"]]
        assert history == ["a colour?", "blue", "and now?"]


async def test_a_redacted_growing_answer_ends_and_is_gone(shared: SharedBridge) -> None:
    async with ScriptedUpstream("talker") as upstream, shared.talk(upstream) as talk:
        upstream.scripts.append(waits_for(asyncio.Event(), f"{SECRET} and"))
        await talk.say("go on")
        await talk.person.wait_for(lambda: talk.answers)
        await redact_as_ghost(talk, talk.answers[0].event_id)
        await talk.wait_until_idle()
        assert await is_gone(talk)
        await talk.say("next")
        await talk.person.wait_for(lambda: [m.body for m in talk.answers if m.body] == ["Echo: next"])
        assert upstream.questions == ["go on", "next"]


@pytest.mark.parametrize("when", ["answered", pytest.param("growing", marks=pytest.mark.long)])
async def test_a_redacted_question_takes_its_answer_with_it(shared: SharedBridge, when: str) -> None:
    async with ScriptedUpstream("echo") as upstream, shared.talk(upstream) as talk:
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, f"{SECRET} is", " a fish"))
        question = await talk.say("what is it?")
        await talk.person.wait_for(lambda: talk.answers)
        if when == "answered":
            gate.set()
            await talk.wait_for_answers(1)
        await talk.person.redact(talk.room_id, question)
        await eventually(lambda: is_gone(talk), "the answer and its edits are redacted")
        await talk.wait_until_idle()


async def an_edited_plan(talk: Conversation) -> tuple[str, str]:
    """Ask a question, edit a secret into it, and wait for the answers; return the events of question and edit."""
    question = await talk.say("my plan?")
    await talk.wait_for_answers(1)
    edit = await talk.person.edit(talk.room_id, question, f"my plan? The password is {SECRET}")
    await talk.person.wait_for(lambda: SECRET in talk.answers[0].body)
    await talk.wait_until_idle()
    return question, edit


async def test_a_redacted_edit_is_forgotten_and_the_text_before_is_answered(shared: SharedBridge) -> None:
    async with ScriptedUpstream("planner") as upstream, shared.talk(upstream) as talk:
        _, edit = await an_edited_plan(talk)
        await talk.person.redact(talk.room_id, edit)
        await talk.person.wait_for(lambda: [m.body for m in talk.answers if m.body] == ["Echo: my plan?"])
        await talk.wait_until_idle()
        assert await is_gone(talk)
        await talk.say("next")
        await talk.person.wait_for(lambda: talk.answers[-1].body == "Echo: next")
        assert SECRET not in str(upstream.asked[-1])


async def test_an_answer_to_a_redacted_edit_that_is_just_shown_is_given_again(shared: SharedBridge) -> None:
    """The redaction comes between the commit of the answer and its end."""
    async with ScriptedUpstream("slow") as upstream, shared.talk(upstream) as talk:
        question, edit = await an_edited_plan(talk)
        # As a bridge leaves it that is killed before it closes the turn.
        await talk.running.database.execute(
            "UPDATE turn SET state = 'committed', finished_at = NULL, waits_since = now(),"
            " not_before = now() + interval '1 hour' WHERE event_id = %s",
            (question,),
        )
        await talk.person.redact(talk.room_id, edit)
        await talk.person.wait_for(lambda: [m.body for m in talk.answers if m.body] == ["Echo: my plan?"])
        await talk.wait_until_idle()
        assert await is_gone(talk)
        assert upstream.questions == ["my plan?", f"my plan? The password is {SECRET}", "my plan?"]


@pytest.mark.long
async def test_a_redaction_and_a_reaction_that_the_homeserver_lost_are_found(
    harness: BridgeHarness, database_url: str
) -> None:
    gate = asyncio.Event()
    async with ScriptedUpstream("late") as upstream, harness.talk(database_url, upstream) as talk:
        asked = await talk.say("zero")
        await talk.wait_for_answers(1)
        upstream.scripts.append(waits_for(gate, "busy"))
        await talk.say("one")
        taken_back = await talk.say(f"two {SECRET}")
        await talk.person.wait_for(lambda: talk.room.reactions_to(taken_back) == ["⏳"])
        with psycopg.connect(database_url) as jam:
            # The transaction with this message waits for the lock, and the redaction waits behind it.
            jam.execute("LOCK TABLE turn IN SHARE MODE")
            await talk.say("three")
            await eventually(lambda: _hangs(database_url), "a transaction waits for the lock")
            await talk.person.redact(talk.room_id, taken_back)
            await talk.person.react(talk.room_id, asked, "🔁")
            for later in ("four", "five", "six"):
                await talk.say(later)
            await harness.synapse.kill()
            jam.rollback()
        await outage_noticed(talk.running)
        await harness.synapse.start()
        gate.set()
        await talk.say("seven")
        await talk.person.wait_for(lambda: [m for m in talk.answers if m.body == "Echo: seven"], 30)
        await talk.wait_until_idle()
        # The first message is asked again in the place of the reaction.
        assert upstream.questions == ["zero", "one", "three", "zero", "four", "five", "six", "seven"]
        assert SECRET not in str(upstream.asked)
        assert not await _rows_with(talk.running.database, SECRET)


@pytest.mark.long
async def test_the_parts_of_an_answer_stay_in_order_if_one_was_redacted(shared: SharedBridge) -> None:
    def story(word: str) -> str:
        return "\n\n".join(f"{word} {number}. " + "слово " * 100 for number in range(60))

    async with ScriptedUpstream("teller") as upstream, shared.talk(upstream) as talk:
        upstream.scripts += [says(story("old")), says(story("new"))]
        question = await talk.say("tell me")
        await talk.wait_for_answers(3)
        await talk.person.wait_for(lambda: "old 59. " in talk.answers[-1].body)
        # The redaction of a part of an answer that is not complete would withdraw all parts.
        await talk.wait_until_idle()
        first, second, *later = [answer.event_id for answer in talk.answers]
        await redact_as_ghost(talk, second)
        await talk.person.wait_for(lambda: len(talk.answers) == 1 + len(later))
        await talk.person.react(talk.room_id, question, "🔁")
        await talk.person.wait_for(lambda: "new 59. " in talk.answers[-1].body)
        await talk.wait_until_idle()
        await talk.person.wait_for(lambda: not {answer.event_id for answer in talk.answers} & {*later})
        # The first part is edited; the others are new messages below it.
        assert talk.answers[0].event_id == first
        assert "\n\n".join(answer.body for answer in talk.answers).split() == story("new").split()


async def _hangs(database_url: str) -> bool:
    with psycopg.connect(database_url) as looking:
        rows = looking.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'turn'::regclass").fetchall()
    return bool(rows)


async def _rows_with(database: Any, word: str) -> list[Any]:
    return list(await database.rows("SELECT id FROM turn t WHERE to_jsonb(t)::text LIKE %s", (f"%{word}%",)))
