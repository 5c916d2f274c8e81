"""People stop, collect, list, retry and drop messages, and get notices of the limits."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.conditions import eventually
from support.harness import DOMAIN
from support.scripted_upstream import ScriptedUpstream, says, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Conversation
    from support.person import Person
    from support.shared_bridge import SharedBridge


@asynccontextmanager
async def admin_in(harness: BridgeHarness, talk: Conversation) -> AsyncIterator[Person]:
    """Give an admin in the room of *talk*."""
    async with harness.person("admin") as admin:
        await talk.running.homeserver.invite(talk.room_id, admin.user_id)
        await admin.join(talk.room_id)
        await admin.wait_for(lambda: talk.room_id in admin.rooms)
        yield admin


@pytest.mark.parametrize(
    "target", ["answer", *(pytest.param(each, marks=pytest.mark.long) for each in ("question", "command"))]
)
async def test_a_running_answer_is_stopped(shared: SharedBridge, target: str) -> None:
    async with ScriptedUpstream("chatty") as upstream, shared.talk(upstream) as talk:
        never = asyncio.Event()
        upstream.scripts.append(waits_for(never, "Once upon a time"))
        question = await talk.say("tell me everything")
        await talk.say("next")
        await talk.person.wait_for(lambda: talk.answers)
        match target:
            case "command":
                assert await talk.command("stop") == "Stopping."
            case "question":
                await talk.person.react(talk.room_id, question, "🛑")
            case _:
                await talk.person.react(talk.room_id, talk.answers[0].event_id, "🛑\ufe0f")
        answers = await talk.wait_for_answers(2)
        assert [answer.body for answer in answers] == ["Once upon a time\n\n*(stopped)*", "Echo: next"]
        assert upstream.questions == ["tell me everything", "next"]
        # The connection to the upstream is closed, so its answer need not go on.
        assert await talk.command("stop") == "No message is being answered in this room."


async def test_an_answer_stopped_before_its_first_word_becomes_a_notice(shared: SharedBridge) -> None:
    async with ScriptedUpstream("mute") as upstream, shared.talk(upstream) as talk:
        never = asyncio.Event()

        async def silent(_question: str) -> AsyncIterator[str]:
            await never.wait()
            yield ""

        upstream.scripts.append(silent)
        question = await talk.say("anything?")
        await eventually(_asked(upstream, 1), "the upstream was asked")
        await talk.person.react(talk.room_id, question, "🛑")
        (answer,) = await talk.wait_for_answers(1)
        assert (answer.body, answer.content["msgtype"]) == ("(stopped)", "m.notice")


@pytest.mark.long
async def test_a_reaction_of_a_user_without_a_role_stops_nothing(harness: BridgeHarness, shared: SharedBridge) -> None:
    async with ScriptedUpstream("steady") as upstream, shared.talk(upstream) as talk:
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "on ", "and on"))
        question = await talk.say("go")
        await talk.person.wait_for(lambda: talk.answers)
        async with harness.person("stranger") as stranger:
            await talk.running.homeserver.invite(talk.room_id, stranger.user_id)
            await stranger.join(talk.room_id)
            await stranger.react(talk.room_id, question, "🛑")
            await talk.command("help")
        gate.set()
        await talk.person.wait_for(lambda: talk.answers[0].body == "on and on")


@pytest.mark.long
async def test_commands_are_answered_while_the_agent_answers(harness: BridgeHarness, shared: SharedBridge) -> None:
    async with ScriptedUpstream("busybody") as upstream, shared.talk(upstream) as talk:
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "wait"))
        await talk.say("one")
        await talk.say("two")
        await talk.person.wait_for(lambda: talk.answers)
        async with admin_in(harness, talk) as admin:
            queue = await talk.command("queue", admin)
            assert "being answered" in queue
            assert ": waiting" in queue
            assert queue.count(upstream.names[0]) == 2
        gate.set()
        await talk.wait_for_answers(2)


async def test_a_message_that_waits_shows_it(shared: SharedBridge) -> None:
    async with ScriptedUpstream("popular") as upstream, shared.talk(upstream) as talk:
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "first"))
        one = await talk.say("one")
        two = await talk.say("two")
        await talk.person.wait_for(lambda: talk.room.reactions_to(two) == ["⏳"])
        assert "⏳" not in talk.room.reactions_to(one)
        gate.set()
        await talk.wait_for_answers(2)
        await talk.person.wait_for(lambda: talk.room.reactions_to(two) == [])


async def test_waiting_messages_can_be_answered_together(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("together") as upstream,
        harness.talk(database_url, upstream, lanes={"when_busy": "collect"}) as talk,
    ):
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "first"))
        await talk.say("one")
        await talk.person.wait_for(lambda: talk.answers)
        events = [await talk.say(text) for text in ("two", "three", "four")]
        await talk.person.wait_for(lambda: talk.room.reactions_to(events[-1]) == ["⏳"])
        gate.set()
        answers = await talk.wait_for_answers(2)
        assert [answer.body for answer in answers] == ["first", "Echo: two\n\nthree\n\nfour"]
        async with admin_in(harness, talk) as admin:
            assert "answered together with" in await talk.command(f"why {events[1]}", admin)
            assert "queue" in await talk.command("busy sometimes", admin)
            assert "each message gets a separate answer" in await talk.command("busy queue", admin)
        assert len(await talk.wait_for_answers(2)) == 2


@pytest.mark.long
async def test_a_room_can_have_its_answers_whole(harness: BridgeHarness, shared: SharedBridge) -> None:
    async with (
        ScriptedUpstream("whole") as upstream,
        shared.talk(upstream) as talk,
        admin_in(harness, talk) as admin,
    ):
        assert "stream edits|off" in await talk.command("stream", admin)
        assert "when they are complete" in await talk.command("stream OFF", admin)
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "first ", "and last"))
        await talk.say("one")
        await eventually(_asked(upstream, 1), "the upstream was asked")
        # Commands are answered during the turn, and no part of the answer is visible yet.
        assert "while they grow" in await talk.command("stream edits", admin)
        assert talk.answers == []
        gate.set()
        (whole,) = await talk.wait_for_answers(1)
        assert [version["body"] for version in whole.versions] == ["first and last"]
        gate.clear()
        upstream.scripts.append(waits_for(gate, "first ", "and last"))
        await talk.say("two")
        await talk.person.wait_for(lambda: [answer.body.strip() for answer in talk.answers[1:]] == ["first"])
        gate.set()
        await talk.person.wait_for(lambda: talk.answers[1].body == "first and last")


async def test_only_a_moderator_says_how_a_rooms_answers_are_shown(shared: SharedBridge) -> None:
    async with ScriptedUpstream("whole") as upstream, shared.talk(upstream) as talk:
        assert "moderator" in await talk.command("stream off")
        assert (await talk.running.contact(upstream.names[0])).home.streaming is None


@pytest.mark.long
async def test_a_full_room_says_which_messages_it_did_not_take(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("full") as upstream,
        harness.talk(database_url, upstream, lanes={"max_queued_per_room": 2}) as talk,
    ):
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "first"))
        for text in ("one", "two", "three *one*", "four"):
            last = await talk.say(text)
        await talk.person.wait_for(
            lambda: "three" in "".join(_told(talk)) and ("four" in "".join(_told(talk)) or len(_told(talk)) == 2)
        )
        assert all("too many messages already wait in this room (2)" in message.body for message in talk.from_bot)
        replied = talk.from_bot[0].content["m.relates_to"]["m.in_reply_to"]["event_id"]
        assert talk.room.messages[replied].body == "three *one*"
        gate.set()
        assert [answer.body for answer in await talk.wait_for_answers(2)] == ["first", "Echo: two"]
        assert last is not None


def _told(talk: Conversation) -> list[str]:
    """Return the bot's notices, each followed by the message that it replies to."""
    told = []
    for message in talk.from_bot:
        related = message.content.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")
        told.append(message.body + (talk.room.messages[related].body if related else ""))
    return told


@pytest.mark.long
async def test_an_answer_without_end_is_ended(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("endless") as upstream,
        harness.talk(database_url, upstream, max_answer_chars=500) as talk,
    ):

        async def endless(_question: str) -> AsyncIterator[str]:
            while True:
                yield "and so on "

        upstream.scripts.append(endless)
        await talk.say("go on")
        await talk.say("and now?")
        answers = await talk.wait_for_answers(3)
        assert answers[0].body == ("and so on " * 50).strip()
        assert (
            answers[1].body == "⚠️ The answer ends here: the limit of 500 characters was reached. "
            "Ask for a shorter answer."
        )
        assert answers[2].body == "Echo: and now?"


@pytest.mark.long
async def test_an_answer_that_takes_too_long_is_ended(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("endless") as upstream, harness.talk(database_url, upstream, turn_timeout=1) as talk:

        async def dripping(_question: str) -> AsyncIterator[str]:
            while True:
                yield "drip "
                await asyncio.sleep(0.1)

        upstream.scripts.append(dripping)
        await talk.say("go on")
        answers = await talk.wait_for_answers(2)
        assert answers[0].body.startswith("drip drip")
        assert answers[1].body == "⚠️ The answer ends here: the limit of 1 s was reached. Ask for a shorter answer."


@pytest.mark.long
async def test_a_message_that_comes_too_late_is_told_and_not_answered(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("late") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            pass
        async with harness.watching(talk) as talk:
            for text in ("one", "two"):
                await talk.say(text)
            # The homeserver's clock decides the age; the messages grow old while no bridge runs.
            oldest = asyncio.get_running_loop().time()
            await eventually(lambda: _later(oldest + 2), "the messages are old")
            lanes = {"max_message_age": 1.5, "drain_timeout": 2}
            config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}], lanes=lanes)
            async with harness.bridge(config) as running:
                await talk.person.wait_for(lambda: talk.answers)
                await eventually(running.idle, "every turn is closed")
                (told,) = talk.answers
                assert told.body.startswith("⚠️ No answer: 2 messages from ")
                assert upstream.asked == []
                await talk.person.react(talk.room_id, told.event_id, "🔁")
                await talk.person.wait_for(lambda: talk.answers[0].body == "Echo: one\n\ntwo")
                assert len(talk.answers) == 1


async def _later(when: float) -> bool:
    return asyncio.get_running_loop().time() > when


async def test_failed_messages_are_listed_explained_and_retried(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("broken") as upstream,
        harness.talk(database_url, upstream, lanes={"max_attempts": 1, "upstream_wait": 0}) as talk,
    ):
        upstream.scripts.append(says(503))
        question = await talk.say("try")
        (told,) = await talk.wait_for_answers(1)
        assert told.body.startswith("⚠️ No answer")
        async with admin_in(harness, talk) as admin:
            failed = await talk.command("failed", admin)
            assert "scripted" in failed
            name = re.findall(r"\b([0-9a-f]{16})\b", failed)[0]
            link = f"https://matrix.to/#/{talk.room_id}/{question}?via={DOMAIN}"
            for reference in (name, question, told.event_id, link):
                story = await talk.command(f"why {reference}", admin)
                assert "It failed" in story
                assert ": started" in story
            assert await talk.command(f"retry {name}", admin) == f"The agent will be asked again: {name}."
            await talk.person.wait_for(lambda: talk.answers[0].body == "Echo: try")
            await talk.wait_until_idle()
            assert await talk.command("failed", admin) == "No message has failed."
            assert "It was answered" in await talk.command(f"why {name}", admin)
        assert len(talk.answers) == 1
        assert talk.answers[0].content["msgtype"] == "m.text"


async def test_a_waiting_message_can_be_dropped(harness: BridgeHarness, shared: SharedBridge) -> None:
    async with ScriptedUpstream("dropped") as upstream, shared.talk(upstream) as talk:
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "first"))
        await talk.say("one")
        two = await talk.say("two")
        await talk.person.wait_for(lambda: talk.answers)
        async with admin_in(harness, talk) as admin:
            assert "Dropped" in await talk.command(f"drop {two}", admin)
            assert "cannot be asked again" in await talk.command(f"retry {two}", admin)
            assert "matches no message" in await talk.command("drop nothing", admin)
        gate.set()
        answers = await talk.wait_for_answers(2)
        assert answers[1].body == "⚠️ No answer: an administrator dropped this message."
        assert upstream.questions == ["one"]


@pytest.mark.long
async def test_why_knows_ignored_and_unknown_messages(harness: BridgeHarness, shared: SharedBridge) -> None:
    async with ScriptedUpstream("why") as upstream, shared.talk(upstream) as talk:
        await talk.say("y")
        notice = await talk.person.send(talk.room_id, "m.room.message", {"msgtype": "m.notice", "body": "beep"})
        edited = await talk.person.edit(talk.room_id, notice, "x")
        vote = await talk.person.send(talk.room_id, "org.example.vote", {"for": "Ada"})
        await talk.wait_for_answers(1)
        async with admin_in(harness, talk) as admin:
            assert "a refusal" in await talk.command(f"why {edited}", admin)
            assert "it is a notice" in await talk.command(f"why {notice}", admin)
            assert "The bridge has no record of" in await talk.command(f"why {vote}", admin)
            link = f"matrix:roomid/{talk.room_id[1:]}/e/{vote[1:]}"
            assert "This is not a message but a org.example.vote" in await talk.command(f"why {link}", admin)


def _asked(upstream: ScriptedUpstream, count: int) -> Any:
    async def asked() -> bool:
        return len(upstream.asked) >= count

    return asked
