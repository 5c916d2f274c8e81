"""Messages that arrive while an agent answers: they interrupt the answer, or wait and show their place in the queue."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.delivery.stop_offers import STOP
from agent_bridge.core.rooms import WhenBusy
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.rooms import Rooms
from support.conditions import eventually
from support.scripted_app_server import ScriptedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import Reasoning, ScriptedUpstream, Tool, until_cancelled, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Conversation
    from support.shared_bridge import SharedBridge

INTERRUPTED = f"*{ENGLISH.interrupted}*"


@asynccontextmanager
async def interrupting(shared: SharedBridge, upstream: ScriptedUpstream) -> AsyncIterator[Conversation]:
    """Put a person into a room of *upstream* in which messages interrupt answers."""
    async with shared.talk(upstream) as talk:
        assert await Rooms(talk.running.database).set_when_busy(talk.room_id, WhenBusy.INTERRUPT)
        yield talk


def bodies(talk: Conversation) -> list[str]:
    """Return the texts of the agent."""
    return [answer.body for answer in talk.answers]


def told(upstream: ScriptedUpstream) -> list[tuple[str, str]]:
    """Return the messages of the last request."""
    return [(each["role"], each["content"]) for each in upstream.asked[-1]["messages"]]


async def asked(upstream: ScriptedUpstream, count: int) -> None:
    """Wait for *count* questions."""

    async def arrived() -> bool:
        return len(upstream.asked) >= count

    await eventually(arrived, f"the upstream was asked {count} times")


async def test_a_message_interrupts_the_running_answer_and_is_answered_with_it_in_context(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        ScriptedUpstream("hasty") as upstream,
        harness.talk(database_url, upstream, lanes={"when_busy": "interrupt"}) as talk,
    ):
        over = asyncio.Event()
        upstream.scripts.append(until_cancelled(over, "Once upon a time"))
        first = await talk.say("tell me a story")
        await talk.person.wait_for(lambda: talk.answers)
        second = await talk.say("a short one")
        await talk.wait_for_answers(2)
        await talk.person.wait_for(lambda: bodies(talk) == [f"Once upon a time\n\n{INTERRUPTED}", "Echo: a short one"])
        assert over.is_set()
        assert told(upstream) == [
            ("user", "tell me a story"),
            ("assistant", "Once upon a time"),
            ("user", "a short one"),
        ]
        # Nothing failed, and nothing waits.
        await talk.person.wait_for(lambda: not talk.room.reactions_to(first) + talk.room.reactions_to(second))
        async with harness.person("admin") as admin:
            await talk.running.homeserver.invite(talk.room_id, admin.user_id)
            await admin.join(talk.room_id)
            await admin.wait_for(lambda: talk.room_id in admin.rooms)
            story = await talk.command(f"why {first}", admin)
            assert f"interrupted by the message {second}" in story
            assert "interrupt" in await talk.command("busy", admin)
            assert "separate answer" in await talk.command("busy queue", admin)
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "whole ", "answer"))
        await talk.say("one")
        await talk.person.wait_for(lambda: bodies(talk)[2:] == ["whole"])
        await talk.say("two")
        gate.set()
        await talk.wait_for_answers(4)
        assert bodies(talk)[2:] == ["whole answer", "Echo: two"]


async def test_messages_before_the_first_word_get_one_answer(shared: SharedBridge) -> None:
    async with ScriptedUpstream("slow") as upstream, interrupting(shared, upstream) as talk:
        upstream.scripts += [until_cancelled(asyncio.Event()), until_cancelled(asyncio.Event())]
        for number, text in enumerate(("hi", "one more thing", "that is all"), 1):
            await talk.say(text)
            await asked(upstream, number)
        await talk.wait_for_answers(1)
        assert bodies(talk) == ["Echo: hi\n\none more thing\n\nthat is all"]
        assert upstream.questions == ["hi", "hi\n\none more thing", "hi\n\none more thing\n\nthat is all"]


async def test_an_answer_without_words_is_visibly_interrupted(shared: SharedBridge) -> None:
    async with ScriptedUpstream("thinker") as upstream, interrupting(shared, upstream) as talk:
        upstream.scripts.append(until_cancelled(asyncio.Event(), Reasoning("hm")))
        await talk.say("a riddle")
        await talk.person.wait_for(lambda: talk.answers)
        await talk.say("and a hint")
        await talk.wait_for_answers(2)
        await talk.person.wait_for(lambda: bodies(talk) == [ENGLISH.interrupted, "Echo: a riddle\n\nand a hint"])


@pytest.mark.long
async def test_a_thread_interrupts_its_own_answer_only(shared: SharedBridge) -> None:
    async with ScriptedUpstream("weaver") as upstream, interrupting(shared, upstream) as talk:
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "in the ", "room"))
        question = await talk.say("first")
        await talk.person.wait_for(lambda: talk.answers)
        await talk.person.reply(talk.room_id, question, "aside", thread=question)
        await talk.command("help")
        await talk.person.wait_for(lambda: len(talk.answers) == 2)
        gate.set()
        await talk.wait_for_answers(2)
        await talk.person.wait_for(lambda: bodies(talk)[0] == "in the room")


@pytest.mark.long
async def test_files_that_are_sent_together_do_not_interrupt_each_other(shared: SharedBridge) -> None:
    async with ScriptedUpstream("reader") as upstream, interrupting(shared, upstream) as talk:
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "I see ", "a file"))
        url = await talk.person.upload(b"roses", "text/plain", "a.txt")
        content = {"msgtype": "m.file", "body": "a.txt", "url": url, "info": {"mimetype": "text/plain"}}
        await talk.person.send(talk.room_id, "m.room.message", content)
        await talk.person.wait_for(lambda: talk.answers)
        await talk.person.send(talk.room_id, "m.room.message", content | {"body": "b.txt"})
        await eventually(partial(_waiting, talk, 1), "the second file waits")
        gate.set()
        answers = await talk.wait_for_answers(2)
        assert answers[0].body == "I see a file"
        assert "b.txt" in answers[1].body


async def _waiting(talk: Conversation, count: int) -> bool:
    rows = await talk.running.database.rows(
        """
        SELECT 1 FROM turn t JOIN conversation c ON c.id = t.conversation
        WHERE c.room_id = %s AND t.kind = 'message' AND t.state = 'queued'
        """,
        (talk.room_id,),
    )
    return len(rows) == count


@pytest.mark.long
async def test_the_message_that_interrupts_may_be_redacted_or_stopped(shared: SharedBridge) -> None:
    async with ScriptedUpstream("calm") as upstream, interrupting(shared, upstream) as talk:
        upstream.scripts += [until_cancelled(asyncio.Event(), "one "), until_cancelled(asyncio.Event(), "two ")]
        await talk.say("first")
        await talk.person.wait_for(lambda: bodies(talk) == ["one"])
        second = await talk.say("second")
        await talk.person.wait_for(lambda: bodies(talk) == [f"one\n\n{INTERRUPTED}", "two"])
        await talk.person.redact(talk.room_id, second)
        await talk.wait_until_idle()
        await talk.person.wait_for(lambda: bodies(talk) == [f"one\n\n{INTERRUPTED}"])
        await talk.say("third")
        await talk.wait_for_answers(2)
        assert told(upstream) == [("user", "first"), ("assistant", "one"), ("user", "third")]


@pytest.mark.long
async def test_a_redacted_question_leaves_nothing_of_its_interrupted_answer(shared: SharedBridge) -> None:
    async with ScriptedUpstream("discreet") as upstream, interrupting(shared, upstream) as talk:
        upstream.scripts.append(until_cancelled(asyncio.Event(), "about the secret"))
        secret = await talk.say("my secret")
        await talk.person.wait_for(lambda: talk.answers)
        await talk.say("forget it")
        await talk.wait_for_answers(2)
        await talk.person.redact(talk.room_id, secret)
        await talk.person.wait_for(lambda: bodies(talk) == ["Echo: forget it"])
        await talk.say("what do you know?")
        await talk.wait_for_answers(2)
        assert not [said for said in told(upstream) if "secret" in said[1]]


@pytest.mark.long
async def test_an_interrupted_question_can_be_asked_again(shared: SharedBridge) -> None:
    async with ScriptedUpstream("patient") as upstream, interrupting(shared, upstream) as talk:
        upstream.scripts.append(until_cancelled(asyncio.Event(), "half"))
        first = await talk.say("first")
        await talk.person.wait_for(lambda: talk.answers)
        await talk.say("second")
        await talk.wait_for_answers(2)
        await talk.person.react(talk.room_id, first, "🔁")
        await talk.person.wait_for(lambda: bodies(talk) == ["Echo: first", "Echo: second"])
        await talk.person.edit(talk.room_id, first, "the first one")
        await talk.wait_for_answers(2)
        await talk.wait_until_idle()
        assert upstream.questions[:3] == ["first", "second", "first"]


@pytest.mark.long
async def test_an_answer_that_is_given_again_keeps_its_place(shared: SharedBridge) -> None:
    async with ScriptedUpstream("steady") as upstream, interrupting(shared, upstream) as talk:
        first = await talk.say("first")
        await talk.wait_for_answers(1)
        upstream.scripts.append(until_cancelled(asyncio.Event()))
        await talk.person.react(talk.room_id, first, "🔁")
        await asked(upstream, 2)
        await talk.say("second")
        await talk.wait_for_answers(2)
        # An answer to both would be an edit of the message above the second question.
        assert bodies(talk) == ["Echo: first", "Echo: second"]
        assert upstream.questions == ["first", "first", "first", "second"]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "server"), [("letta", ScriptedAppServer), ("letta_v1", ScriptedLettaV1)])
async def test_a_conversation_of_letta_takes_the_message_that_interrupts(
    harness: BridgeHarness, database_url: str, kind: str, server: type[ScriptedAppServer | ScriptedLettaV1]
) -> None:
    upstream = server("Dora")
    async with (
        upstream,
        harness.talk(database_url, upstream, lanes={"when_busy": "interrupt"}, kind=kind) as talk,
    ):
        over = asyncio.Event()
        upstream.scripts.append(until_cancelled(over, "Once upon ", "a time"))
        await talk.say("a story")
        await talk.person.wait_for(lambda: bodies(talk) == ["Once upon a time"])
        await talk.say("a poem")
        await talk.wait_for_answers(2)
        assert bodies(talk) == [f"Once upon a time\n\n{INTERRUPTED}", "Echo: a poem"]
        assert over.is_set()


@pytest.mark.long
@pytest.mark.parametrize(("kind", "server"), [("letta", ScriptedAppServer), ("letta_v1", ScriptedLettaV1)])
async def test_an_answer_that_waits_for_a_decision_is_interrupted(
    harness: BridgeHarness, database_url: str, kind: str, server: type[ScriptedAppServer | ScriptedLettaV1]
) -> None:
    upstream = server("Dora")
    upstream.guarded = {"Bash"}
    async with (
        upstream,
        harness.talk(database_url, upstream, lanes={"when_busy": "interrupt"}, kind=kind) as talk,
    ):
        upstream.scripts.append(_uses_bash)
        await talk.say("look")
        (card,) = await talk.person.wait_for(lambda: [each for each in talk.answers if "wants to use" in each.body])
        await talk.say("no, wait")
        await talk.wait_until_idle()
        await talk.person.wait_for(lambda: bodies(talk)[-1].endswith("Echo: no, wait"))
        await talk.person.wait_for(lambda: "any more" in card.body and not talk.room.reactions_to(card.event_id))
        assert upstream.verdicts == ["deny"]
        await talk.say("and now?")
        await talk.person.wait_for(lambda: bodies(talk)[-1] == "Echo: and now?")


async def test_reactions_show_places_and_a_command_lists_ones_own(harness: BridgeHarness, shared: SharedBridge) -> None:
    async with ScriptedUpstream("popular") as upstream, shared.talk(upstream) as talk, harness.person() as bob:
        await talk.running.homeserver.invite(talk.room_id, bob.user_id)
        await bob.join(talk.room_id)
        await bob.wait_for(lambda: talk.room_id in bob.rooms)
        gates = [asyncio.Event() for _ in range(2)]
        upstream.scripts += [waits_for(gate, "first") for gate in gates]
        await talk.say("one")
        await talk.person.wait_for(lambda: talk.answers)
        events = [await talk.say("two"), await bob.say(talk.room_id, "three"), await talk.say("four")]

        await _wait_for_places(talk, events, "⏳", "⏳ 2", "⏳ 3")
        own = (await talk.command("queue")).splitlines()
        assert own[0] == "Waiting in this room: 3 messages."
        assert [line.rpartition(": ")[2] for line in own[2:]] == [
            *("being answered", "place 1 in the queue", "place 3 in the queue"),
        ]
        own = (await talk.command("queue", bob)).splitlines()
        assert [line.rpartition(": ")[2] for line in own[2:]] == ["place 2 in the queue"]
        gates[0].set()
        # A reaction stays for five seconds.
        await _wait_for_places(talk, events, "", "⏳", "⏳ 2")
        gates[1].set()
        await talk.wait_until_idle()
        await _wait_for_places(talk, events, "", "", "")


async def _wait_for_places(talk: Conversation, events: list[str], *keys: str) -> None:
    """Wait until the reactions to *events* that show places have *keys*; an empty key is no reaction.

    A message that is answered for five seconds gets the offer to stop, perhaps before the others have moved.
    """

    def shown() -> bool:
        places = [[each for each in talk.room.reactions_to(event) if each != STOP] for event in events]
        return places == [[key] if key else [] for key in keys]

    try:
        await talk.person.wait_for(shown)
    except TimeoutError as error:
        query = """
            SELECT event_id, state, attempts, open, waiting_event_id, waiting_place, waiting_shown_at, now()
            FROM turn WHERE event_id = ANY(%s) ORDER BY position
        """
        rows = await talk.running.database.rows(query, (events,))
        seen = [talk.room.reactions_to(event) for event in events]
        raise AssertionError(f"the reactions are {seen}, the turns are {rows}") from error


async def _uses_bash(_question: str) -> AsyncIterator[Any]:
    yield "I look. "
    yield Tool("Bash", '{"command": "ls"}')
    yield "Done."
