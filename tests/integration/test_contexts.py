"""Contexts in a room: a new conversation, its report, instructions, models, saved copies, and what the agent gets."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.transcript import ChatMessage, tokens_of
from support.conditions import eventually
from support.scripted_app_server import ScriptedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import ScriptedUpstream, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Conversation


@asynccontextmanager
async def talking(
    harness: BridgeHarness, database: str, upstream: ScriptedUpstream, **options: Any
) -> AsyncIterator[Conversation]:
    """Run a bridge, and put an administrator into the room of the first agent."""
    config = harness.config(database, [{"name": "scripted", "url": upstream.url, **options}])
    async with harness.person("admin") as admin, harness.bridge(config) as running:
        yield await running.join(admin, upstream.names[0])


async def ask(talk: Conversation, *texts: str, thread: str = "") -> None:
    """Say *texts* in the room or in a thread, and wait for the answers."""
    for text in texts:
        before = len(talk.answers)
        await (talk.person.reply(talk.room_id, thread, text, thread=thread) if thread else talk.say(text))
        await talk.wait_for_answers(before + 1)


def told(upstream: ScriptedUpstream) -> list[str]:
    """Return the texts of the last request, the system message among them."""
    return [message["content"] for message in upstream.asked[-1]["messages"]]


async def in_thread(talk: Conversation, root: str, text: str) -> str:
    """Give the command *text* in a thread, and return the answer."""
    before = len(talk.from_bot)
    await talk.person.reply(talk.room_id, root, f"!ab {text}", thread=root)
    await talk.person.wait_for(lambda: len(talk.from_bot) > before)
    return talk.from_bot[before].body


async def test_a_reset_begins_a_new_conversation_and_load_restores_the_exact_transcript(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("fresh") as upstream, talking(harness, database_url, upstream) as talk:
        await ask(talk, "one", "**two**\n\nwith a paragraph")
        before = upstream.asked[-1]["messages"]
        assert "starts afresh" in await talk.command("reset")
        await ask(talk, "three")
        assert told(upstream) == ["three"]
        assert "1. 4 messages, ended" in await talk.command("saves")
        assert await talk.command("save Second part") == "Saved as Second part. !ab load brings it back."
        assert "exists already" in await talk.command("save second PART")
        await ask(talk, "four")
        assert "goes on with Second part: 2 messages" in await talk.command("load second part")
        await ask(talk, "five")
        assert told(upstream) == ["three", "Echo: three", "five"]
        # The copy stays as it was: it can be loaded again.
        assert "goes on with Second part: 2 messages" in await talk.command("load Second part")
        await ask(talk, "six")
        assert told(upstream) == ["three", "Echo: three", "six"]
        assert await talk.command("forget Second part") == "Second part is deleted."
        assert "No saved conversation is called Second part" in await talk.command("load Second part")
        assert before == [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "Echo: one"},
            {"role": "user", "content": "**two**\n\nwith a paragraph"},
        ]


@pytest.mark.long
async def test_a_new_conversation_in_a_thread_leaves_that_of_the_room(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("weaver") as upstream, talking(harness, database_url, upstream) as talk:
        await ask(talk, "in the room")
        root = talk.answers[0].event_id
        await ask(talk, "in the thread", thread=root)
        assert "starts afresh" in await in_thread(talk, root, "reset")
        await ask(talk, "again", thread=root)
        assert told(upstream) == ["in the room", "Echo: in the room", "again"]
        await ask(talk, "back")
        assert told(upstream) == ["in the room", "Echo: in the room", "back"]


class Figures:
    """The figures that ``context`` reports."""

    def __init__(self, text: str) -> None:
        found = re.search(r"gets (\d+) messages? before the next one: about (\d+) of (\d+) tokens", text)
        assert found is not None, text
        self.messages, self.tokens, self.budget = map(int, found.groups())
        prompt = re.search(r"System prompt: (.*)", text)
        self.prompt = None if prompt is None else prompt[1]
        self.is_begun = "Begun" in text


def recorded(upstream: ScriptedUpstream, question: str) -> tuple[int, int, str | None]:
    """Return the messages before *question* in the last request, their tokens, and the system message."""
    system = [each["content"] for each in upstream.asked[-1]["messages"] if each["role"] == "system"]
    messages = [ChatMessage(each["role"], each["content"]) for each in upstream.asked[-1]["messages"]]
    *earlier, last = [each for each in messages if each.role != "system"]
    # A root of a thread that a person sent is in the same message as the question.
    rest = last.content.removesuffix(question).strip()
    earlier += [ChatMessage("user", rest)] if rest else []
    # A report shows a text in one line.
    return len(earlier), tokens_of(earlier), " ".join(system[0].split()) if system else None


@pytest.mark.long
async def test_the_report_has_the_figures_of_the_next_request(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("counted") as upstream,
        talking(harness, database_url, upstream, history_tokens=60, system_prompt="Be brief.") as talk,
    ):
        upstream.script = says("An answer that has some words")
        asked: list[Figures] = []

        async def compare(question: str, *, thread: str = "") -> Figures:
            text = await (in_thread(talk, thread, "context") if thread else talk.command("context"))
            figures = Figures(text)
            await ask(talk, question, thread=thread)
            assert (figures.messages, figures.tokens, figures.prompt) == recorded(upstream, question)
            assert figures.budget == 60
            asked.append(figures)
            return figures

        first = await compare("zero")
        assert (first.messages, first.is_begun) == (0, False)
        await ask(talk, "one", "two")
        assert (await compare("three")).messages == 6
        root = await talk.say("the root of a thread")
        await talk.wait_for_answers(5)
        assert (await compare("in the thread", thread=root)).messages == 1
        # The root and the first question are one message.
        assert (await compare("more in the thread", thread=root)).messages == 2
        await talk.command("save here")
        await ask(talk, *(f"question {number}, which has several words" for number in range(4)))
        cut = await compare("and now?")
        # The budget cuts the history.
        assert cut.messages < 16
        assert cut.budget - 25 < cut.tokens <= cut.budget
        await talk.command("instructions Answer in verse.")
        assert (await compare("with instructions")).prompt == "Be brief. Answer in verse."
        await talk.command("load here")
        assert (await compare("loaded")).is_begun
        await talk.command("reset")
        assert (await compare("fresh")).messages == 0
        assert len(asked) == 8


async def test_instructions_and_the_model_are_those_of_the_room_and_last(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("small", "large") as upstream:
        small, large = upstream.names
        async with talking(harness, database_url, upstream, system_prompt="Be brief.") as talk:
            await ask(talk, "zero")
            assert "has no instructions here" in await talk.command("instructions")
            assert "follows these instructions" in await talk.command("instructions Answer\nin Norwegian")
            assert "Answer in Norwegian" in await talk.command("instructions")
            assert f"{small} ✓" in await talk.command("model")
            assert f"Did you mean {large}?" in await talk.command(f"model {large}x")
            assert f"is asked as {large} here" in await talk.command(f"model {large.upper()}")
            assert f"Model: {large}" in await talk.command("context")
            await ask(talk, "one")
            assert told(upstream) == ["Be brief.\n\nAnswer\nin Norwegian", "zero", "Echo: zero", "one"]
            assert upstream.asked[-1]["model"] == large
        async with talking(harness, database_url, upstream, system_prompt="Be brief.") as talk:
            before = len(talk.answers)
            root = await talk.say("two")
            await talk.wait_for_answers(before + 1)
            await ask(talk, "in a thread", thread=root)
            assert (told(upstream)[0], upstream.asked[-1]["model"]) == ("Be brief.\n\nAnswer\nin Norwegian", large)
            other = await talk.running.join(talk.person, large)
            await ask(other, "elsewhere")
            assert (told(upstream), upstream.asked[-1]["model"]) == (["Be brief.", "elsewhere"], large)
            assert "has no further instructions" in await talk.command("instructions off")
            assert f"is asked as {small} here" in await talk.command("model off")
            await talk.command("reset")
            await ask(talk, "three")
            assert (told(upstream), upstream.asked[-1]["model"]) == (["Be brief.", "three"], small)


async def test_a_redacted_message_leaves_every_copy(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("discreet") as upstream, talking(harness, database_url, upstream) as talk:
        await ask(talk, "hello")
        secret = await talk.say("my secret")
        await talk.wait_for_answers(2)
        given = await talk.say("!ab instructions Keep my secret plan in mind")
        await talk.person.wait_for(lambda: talk.from_bot)
        await talk.command("save first")
        await talk.command("reset")
        await talk.command("load first")
        await talk.command("save second")
        await talk.command("reset")
        for event in (secret, given):
            await talk.person.redact(talk.room_id, event)
        # The answers go with what they answer.
        await talk.person.wait_for(lambda: (len(talk.answers), len(talk.from_bot)) == (1, 5))
        for name in ("first", "second"):
            assert "2 messages" in await talk.command(f"load {name}")
            await ask(talk, "what did I say?")
            assert told(upstream) == ["hello", "Echo: hello", "what did I say?"]
        kept = await talk.running.database.rows(
            "SELECT to_jsonb(t)::text AS row FROM turn t UNION SELECT to_jsonb(m)::text FROM message m"
            " UNION SELECT to_jsonb(x)::text FROM context x UNION SELECT to_jsonb(p)::text FROM participant p"
        )
        assert not [row for row in kept if "secret" in row["row"]]


@pytest.mark.long
async def test_members_see_the_context_and_moderators_change_it(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("guarded") as upstream,
        harness.talk(database_url, upstream) as talk,
    ):
        await ask(talk, "one")
        for line in ("reset", "instructions Be rude", "model x", "load", "load x"):
            assert "for moderators of the room only" in await talk.command(line)
        assert "gets 2 messages before the next one" in await talk.command("context")
        assert "Saved as 1st" in await talk.command("save 1st")
        # The copies of a person are the person's own.
        async with harness.person("admin") as admin:
            await talk.running.homeserver.invite(talk.room_id, admin.user_id, talk.ghost)
            await admin.join(talk.room_id)
            await admin.wait_for(lambda: talk.room_id in admin.rooms)
            assert "No saved conversation is called 1st" in await talk.command("load 1st", by=admin)
            assert "No saved conversation is called 1st" in await talk.command("forget 1st", by=admin)
            assert "No conversation" in await talk.command("saves", by=admin)
        assert "1. 1st: 2 messages, saved" in await talk.command("saves")


@pytest.mark.long
async def test_a_server_with_sessions_begins_another_one_and_returns_to_it(
    harness: BridgeHarness, database_url: str
) -> None:
    keys = {"history": "server", "session_header": "X-Session"}
    async with ScriptedUpstream("remembering") as upstream, talking(harness, database_url, upstream, **keys) as talk:
        await ask(talk, "one")
        report = await talk.command("context")
        assert "gets the next message alone: its server remembers the 2 messages" in report
        assert "cannot copy it" in await talk.command("save here")
        assert "starts afresh" in await talk.command("reset")
        await talk.command("instructions Answer in verse")
        await ask(talk, "two", "three")
        first = talk.room_id
        sessions = [each["X-Session"] for each in upstream.headers]
        assert sessions[0] == first
        assert sessions[1] == sessions[2] == f"{first}~{sessions[1].partition('~')[2]}"
        # The server gets the instructions once.
        assert upstream.questions[1:] == ["(Instructions for this conversation: Answer in verse)\n\ntwo", "three"]
        listed = await talk.command("load")
        assert "1. 2 messages, ended" in listed
        before = len(talk.from_bot)
        await talk.say("1")
        await talk.person.wait_for(lambda: len(talk.from_bot) > before)
        assert "goes on where it ended: 2 messages" in talk.from_bot[-1].body
        await ask(talk, "back")
        assert upstream.headers[-1]["X-Session"] == first
        assert "The list has no number 7: it has 1 to 1" in await talk.command("load 7")
        assert "goes on where it ended: 4 messages" in await talk.command("load 1")
        await talk.command("instructions off")
        await ask(talk, "four")
        assert upstream.questions[-1].startswith("(The earlier instructions for this conversation do not apply")


@pytest.mark.long
async def test_a_server_with_one_memory_says_so(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("single") as upstream,
        talking(harness, database_url, upstream, history="server") as talk,
    ):
        await ask(talk, "one")
        for line in ("reset", "save", "load", "load x"):
            assert "keeps one memory for all rooms" in await talk.command(line)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "make"), [("letta", ScriptedAppServer), ("letta_v1", ScriptedLettaV1)])
async def test_a_server_with_conversations_copies_them(
    harness: BridgeHarness, database_url: str, kind: str, make: type[ScriptedAppServer | ScriptedLettaV1]
) -> None:
    async with make("Dora") as server, talking(harness, database_url, server, kind=kind) as talk:

        def words() -> dict[str, list[str]]:
            """Return the questions in each conversation of the server, by its name."""
            found: dict[str, list[str]] = {}
            for each in server.talks.values():
                questions = [m["content"] for m in each.messages if m.get("message_type") == "user_message"]
                texts = [part if isinstance(part, str) else part[0]["text"] for part in questions]
                found[each.summary] = found.get(each.summary, []) + texts
            return found

        assert "Nothing was said yet" in await talk.command("save early")
        assert "chooses the model itself" in await talk.command("model x")
        await ask(talk, "one")
        assert "Saved as first" in await talk.command("save first")
        await ask(talk, "two")
        assert words() == {"one": ["one", "two"], "first": ["one"]}
        assert "starts afresh" in await talk.command("reset")
        await ask(talk, "three")
        assert words() == {"one": ["one", "two"], "first": ["one"], "three": ["three"]}
        assert "goes on with first: 2 messages" in await talk.command("load first")
        await ask(talk, "four")
        assert sorted(words()["first"]) == ["four", "one", "one"]
        assert (words()["one"], words()["three"]) == (["one", "two"], ["three"])
        assert "first is deleted" in await talk.command("forget first")
        left = [each for each in server.talks.values() if not getattr(each, "archived", False)]
        assert len(left) == 3


@pytest.mark.long
async def test_a_copy_from_another_kind_of_server_is_told_with_the_first_question(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedAppServer("Dora") as server:
        async with talking(harness, database_url, server, url=server.api_url) as talk:
            await ask(talk, "one")
            await talk.command("save before")
        async with talking(harness, database_url, server, kind="letta") as talk:

            async def is_switched() -> bool:
                return (await talk.running.contact(server.names[0])).agent.kind == "letta"

            await eventually(is_switched, "the agent is found in the list of the other kind")
            await talk.person.wait_for(lambda: [each for each in talk.from_bot if each.body.startswith("Saved as")])
            assert "goes on with before: 2 messages" in await talk.command("load before")
            await ask(talk, "two", "three")
            (conversation,) = server.talks.values()
            asked = [each for each in conversation.messages if each["message_type"] == "user_message"]
            said = [each["content"][0]["text"] for each in asked]
            assert said[0].startswith("(The conversation so far")
            assert [text in said[0] for text in ("user: one", "Echo: one", "two")] == [True, True, True]
            assert said[1:] == ["three"]
