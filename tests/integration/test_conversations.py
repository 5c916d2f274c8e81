"""Replies, threads, edits, redactions and retries of messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent_bridge.i18n.english import ENGLISH
from support.scripted_upstream import ScriptedUpstream, says, waits_for

if TYPE_CHECKING:
    from typing import Any

    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Conversation
    from support.shared_bridge import SharedBridge

WARNING = "⚠️"


def relation_of(message: Message) -> dict[str, Any]:
    """Return the relation of a message as it was first sent."""
    related: dict[str, Any] = message.versions[0].get("m.relates_to", {})
    return related


def in_thread(talk: Conversation, root: str) -> list[str]:
    """Return the agent's messages in a thread, with their current text."""
    return [message.body for message in talk.answers if relation_of(message).get("event_id") == root]


async def test_a_thread_is_a_conversation_of_its_own(shared: SharedBridge) -> None:
    async with ScriptedUpstream("weaver") as upstream, shared.talk(upstream) as talk:
        await talk.say("in the room")
        (answer,) = await talk.wait_for_answers(1)
        first = await talk.person.reply(talk.room_id, answer.event_id, "in the thread", thread=answer.event_id)
        await talk.wait_for_answers(2)
        await talk.person.reply(talk.room_id, first, "more", thread=answer.event_id)
        await talk.wait_for_answers(3)
        await talk.say("back in the room")
        answers = await talk.wait_for_answers(4)
        assert in_thread(talk, answer.event_id) == ["Echo: in the thread", "Echo: more"]
        related = relation_of(answers[1])
        assert related["rel_type"] == "m.thread"
        assert related["is_falling_back"] is True
        assert related["m.in_reply_to"] == {"event_id": first}
        assert relation_of(answers[3]) == {}
        # The thread's conversation includes the thread's root and the question that it answers.
        told = [[message["content"] for message in asked["messages"]] for asked in upstream.asked]
        assert told == [
            ["in the room"],
            ["in the room", "Echo: in the room", "in the thread"],
            ["in the room", "Echo: in the room", "in the thread", "Echo: in the thread", "more"],
            ["in the room", "Echo: in the room", "back in the room"],
        ]


@pytest.mark.long
async def test_a_thread_does_not_wait_for_the_room(shared: SharedBridge) -> None:
    gate = asyncio.Event()
    async with ScriptedUpstream("patient") as upstream, shared.talk(upstream) as talk:
        upstream.scripts.append(waits_for(gate, "slow ", "answer"))
        question = await talk.say("take your time")
        await talk.person.wait_for(lambda: talk.answers)
        await talk.person.reply(talk.room_id, question, "quick", thread=question)
        await talk.person.wait_for(lambda: in_thread(talk, question) == ["Echo: take your time\n\nquick"])
        assert talk.answers[0].body == "slow"
        await talk.person.send(
            talk.room_id,
            "m.room.message",
            {
                "msgtype": "m.text",
                "body": "!ab queue",
                "m.relates_to": {"rel_type": "m.thread", "event_id": question, "is_falling_back": True},
            },
        )
        await talk.person.wait_for(lambda: talk.from_bot)
        assert relation_of(talk.from_bot[0])["event_id"] == question
        gate.set()
        await talk.person.wait_for(lambda: talk.answers[0].body == "slow answer")


@pytest.mark.long
async def test_by_choice_a_thread_knows_the_rooms_last_words(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("wise") as upstream,
        harness.talk(database_url, upstream, threads={"room_messages": 2}) as talk,
    ):
        await talk.say("one")
        await talk.wait_for_answers(1)
        root = await talk.say("two")
        await talk.wait_for_answers(2)
        await talk.person.reply(talk.room_id, root, "and?", thread=root)
        await talk.wait_for_answers(3)
        told = [message["content"] for message in upstream.asked[-1]["messages"]]
        assert told == ["two", "Echo: two", "two\n\nand?"]


async def test_a_reply_gives_the_agent_the_quoted_text_and_its_author(shared: SharedBridge) -> None:
    async with ScriptedUpstream("reader") as upstream, shared.talk(upstream) as talk:
        question = await talk.say("the sky\nis blue")
        (answer,) = await talk.wait_for_answers(1)
        await talk.person.reply(talk.room_id, question, "> <@x:y> old fallback\n\nis it?")
        await talk.wait_for_answers(2)
        name = talk.person.user_id[1:].partition(":")[0]
        assert upstream.questions[-1] == f"In reply to {name}:\n\n> the sky\n> is blue\n\nis it?"
        await talk.person.edit(talk.room_id, question, "the sky is grey")
        # The third message is the notice that the answer does not change.
        await talk.wait_for_answers(3)
        await talk.person.reply(talk.room_id, answer.event_id, "sure?")
        await talk.wait_for_answers(4)
        assert upstream.questions[-1].startswith(f"In reply to {upstream.names[0]}:\n\n> Echo: ")
        # The quoted message may be redacted, so the transcript of the reply does not keep the quotation.
        asked = [said["content"] for said in upstream.asked[-1]["messages"] if said["role"] == "user"]
        assert asked[1:-1] == ["is it?"]


async def test_the_last_question_is_answered_again_in_place_when_it_is_edited(shared: SharedBridge) -> None:
    async with ScriptedUpstream("agile") as upstream, shared.talk(upstream) as talk:
        question = await talk.say("hwo are you?")
        await talk.wait_for_answers(1)
        await talk.person.edit(talk.room_id, question, "how are you?")
        await talk.person.wait_for(lambda: [answer.body for answer in talk.answers] == ["Echo: how are you?"])
        assert talk.answers[0].versions[0]["body"] == "Echo: hwo are you?"
        await talk.say("and now?")
        await talk.wait_for_answers(2)
        told = [message["content"] for message in upstream.asked[-1]["messages"]]
        assert told == ["how are you?", "Echo: how are you?", "and now?"]
        await talk.person.edit(talk.room_id, question, "who are you?")
        answers = await talk.wait_for_answers(3)
        assert "the answer does not change" in answers[2].body
        assert answers[2].content["msgtype"] == "m.notice"
        assert relation_of(answers[2])["m.in_reply_to"] == {"event_id": question}
        assert len(upstream.asked) == 3


@pytest.mark.long
async def test_an_edit_ends_the_answer_that_is_on_its_way(shared: SharedBridge) -> None:
    gate = asyncio.Event()
    async with ScriptedUpstream("hasty") as upstream, shared.talk(upstream) as talk:
        upstream.scripts.append(waits_for(gate, "old ", "words"))
        question = await talk.say("frist")
        await talk.person.wait_for(lambda: talk.answers)
        await talk.person.edit(talk.room_id, question, "first")
        await talk.person.wait_for(lambda: [answer.body for answer in talk.answers] == ["Echo: first"])
        await talk.wait_until_idle()
        assert [answer.body for answer in talk.answers] == ["Echo: first"]
        assert upstream.questions == ["frist", "first"]
        gate.set()


async def test_a_redacted_question_that_is_being_answered_ends(shared: SharedBridge) -> None:
    gate = asyncio.Event()
    async with ScriptedUpstream("discreet") as upstream, shared.talk(upstream) as talk:
        upstream.scripts.append(waits_for(gate, "begun ", "and gone on"))
        secret = await talk.say("my secret")
        await talk.person.wait_for(lambda: talk.answers)
        waiting = await talk.say("another secret")
        await talk.person.redact(talk.room_id, waiting)
        await talk.person.redact(talk.room_id, secret)
        await talk.wait_until_idle()
        # The answer is redacted with its question.
        await talk.person.wait_for(lambda: not talk.answers)
        await talk.say("what did I say?")
        await talk.wait_for_answers(1)
        assert [message["content"] for message in upstream.asked[-1]["messages"]] == ["what did I say?"]
        kept = await talk.running.database.rows(
            """
            SELECT payload::text || coalesce(answer, '') AS kept
            FROM turn t JOIN conversation c ON c.id = t.conversation WHERE c.room_id = %s
            """,
            (talk.room_id,),
        )
        assert not [row for row in kept if "secret" in row["kept"]]
        gate.set()


@pytest.mark.long
async def test_questions_collected_with_a_redacted_one_are_answered(harness: BridgeHarness, database_url: str) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    async with (
        ScriptedUpstream("patient") as upstream,
        harness.talk(database_url, upstream, lanes={"when_busy": "collect"}) as talk,
    ):
        upstream.scripts += [waits_for(gates[0], "first"), waits_for(gates[1], "begun ", "and gone on")]
        await talk.say("one")
        await talk.person.wait_for(lambda: talk.answers)
        secret = await talk.say("my secret")
        question = await talk.say("what is the time?")
        await talk.person.wait_for(lambda: talk.room.reactions_to(question) == ["⏳"])
        gates[0].set()
        await talk.person.wait_for(lambda: [answer.body for answer in talk.answers] == ["first", "begun"])
        await talk.person.redact(talk.room_id, secret)
        await talk.person.wait_for(lambda: talk.answers[1].body == "Echo: what is the time?")
        await talk.wait_until_idle()
        assert len(talk.answers) == 2
        gates[1].set()


async def test_redacted_questions_leave_the_history(shared: SharedBridge) -> None:
    async with ScriptedUpstream("forgetful") as upstream, shared.talk(upstream) as talk:
        secret = await talk.say("my secret")
        await talk.wait_for_answers(1)
        await talk.person.redact(talk.room_id, secret)
        await talk.person.wait_for(lambda: not talk.answers)
        await talk.say("what did I say?")
        await talk.wait_for_answers(1)
        assert [message["content"] for message in upstream.asked[-1]["messages"]] == ["what did I say?"]


@pytest.mark.long
async def test_a_failure_is_shown_until_asking_again_helps(shared: SharedBridge) -> None:
    async with ScriptedUpstream("moody") as upstream, shared.talk(upstream) as talk:
        upstream.script = says(401)
        question = await talk.say("please")
        (notice,) = await talk.wait_for_answers(1)
        await talk.person.wait_for(lambda: WARNING in talk.room.reactions_to(question))
        assert notice.content["msgtype"] == "m.notice"
        assert notice.body.startswith(f"{WARNING} No answer: ")
        assert "<details>" in (notice.html or "")
        # The same failure is told briefly.
        second = await talk.say("and this?")
        await talk.person.wait_for(lambda: WARNING in talk.room.reactions_to(second))
        await talk.wait_until_idle()
        await talk.person.wait_for(lambda: [each.body for each in talk.answers[1:]] == [ENGLISH.failed_again])
        upstream.script = says("Here you are.")
        await talk.person.react(talk.room_id, notice.event_id, "🔁")
        await talk.person.wait_for(lambda: talk.answers[0].body == "Here you are.")
        await talk.person.wait_for(lambda: WARNING not in talk.room.reactions_to(question))
        assert talk.answers[0].content["msgtype"] == "m.text"
        assert WARNING in talk.room.reactions_to(second)
        # A person cannot repeat a reaction. The bridge redacts it, so that the person may ask once more.
        await talk.person.wait_for(lambda: talk.room.reactions_to(notice.event_id) == [])
        upstream.script = says("Another answer.")
        await talk.person.react(talk.room_id, talk.answers[0].event_id, "🔁")
        await talk.person.wait_for(lambda: talk.answers[0].body == "Another answer.")
        assert len(talk.answers) == 2
        assert upstream.questions == ["please", "and this?", "please", "please"]
