"""The command ``fork``: a chat that begins with the conversation up to a message."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from support.bot_rooms import BotRoom, bot_chat, bot_room, named_upstream
from support.chat_rooms import Chat, enter_chat, linked_room, new_chat
from support.harness import SHARED
from support.scripted_app_server import ScriptedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import ScriptedUpstream, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

#: One bridge serves most of these tests.
pytestmark = pytest.mark.xdist_group("integration/test_forks")


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with named_upstream("Ada", "Bea") as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    with postgres.migrated() as url:
        there = {"name": "scripted", "url": upstream.url, "poll_interval": 60, "history_tokens": 50_000}
        async with harness.bridge(harness.config(url, [there], service=SHARED)) as running:
            await running.contact("Ada")
            yield running


@dataclass(frozen=True)
class Room(BotRoom):
    """A person in a room with an agent."""

    agent: str = "Ada"

    async def ask_agent(self, *texts: str, thread: str | None = None) -> list[str]:
        """Say *texts*, each after the answer to the one before; return the events of the questions and the answers."""
        events = []
        for text in texts:
            before = len(self.answers())
            if thread is None:
                events.append(await self.say(text))
            else:
                events.append(await self.person.reply(self.room_id, thread, text, thread=thread))
            await self.person.wait_for(lambda before=before: len(self.answers()) > before)  # type: ignore[misc]
            await self.settled()
            events.append(self.answers()[-1].event_id)
        return events

    def answers(self) -> list[Message]:
        """Return the messages of agents, oldest first."""
        return [each for each in self.room.messages.values() if each.sender.startswith(("@shared_", "@agent_"))]

    async def fork(self, event: str, line: str = "!ab fork", thread: str | None = None) -> str:
        """Reply to *event* with the command; return the text of the answer, or the room of the new chat."""
        before = len(self.said())
        relation: dict[str, Any] = {"m.in_reply_to": {"event_id": event}}
        relation |= {"rel_type": "m.thread", "event_id": thread} if thread else {}
        content = {"msgtype": "m.text", "body": line, "m.relates_to": relation}
        await self.person.send(self.room_id, "m.room.message", content)
        answer = await self.answer(before)
        return linked_room(answer.html) if "is ready" in answer.body else answer.body

    async def enter_fork(self, event: str, line: str = "!ab fork", thread: str | None = None) -> Chat:
        return await enter_chat(self.running, self.person, await self.fork(event, line, thread))


async def room_in(chat: BotRoom) -> Room:
    return Room(chat.running, chat.person, chat.room_id)


async def told(upstream: ScriptedUpstream, chat: Chat, text: str) -> list[str]:
    """Say *text* in *chat*; return the texts of the request that has it."""
    await chat.say(text)
    await chat.answers_of("Ada", 1)
    (asked,) = [each for each in upstream.asked if each["messages"][-1]["content"].endswith(text)]
    return [each["content"] for each in asked["messages"]]


@asynccontextmanager
async def in_home(harness: BridgeHarness, running: Running) -> AsyncIterator[Room]:
    async with harness.person() as person:
        talk = await running.join(person, "Ada")
        yield Room(running, person, talk.room_id)


async def test_a_chat_is_forked_at_an_answer_and_at_a_question(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as person:
        desk = await bot_chat(running, person)
        await desk.ask("agent Ada")
        source = await room_in(await new_chat(desk, "new Oslo"))
        one, first, two, _ = await source.ask_agent("one", "two")
        fork = await source.enter_fork(first, "!ab fork What if")
        row = await fork.synced()
        assert (row["name"], row["titled_by"], row["person"]) == ("What if", "given", person.user_id)
        assert source.said()[-1].body.endswith("open it. It begins with 2 messages of this conversation.")
        assert await told(upstream, fork, "after the answer") == ["one", "Echo: one", "after the answer"]
        # The first message ends without its answer: the next one continues it.
        fork = await source.enter_fork(two)
        assert (await fork.row())["titled_by"] is None
        said = ["one", "Echo: one", "two\n\nafter the question"]
        assert await told(upstream, fork, "after the question") == said
        assert await told(upstream, await source.enter_fork(one), "at once") == ["one\n\nat once"]
        # The original goes on as it was.
        await source.ask_agent("three")
        whole = [each["content"] for each in upstream.asked[-1]["messages"]]
        assert whole == ["one", "Echo: one", "two", "Echo: two", "three"]
        # A fork of a fork.
        again = await (await room_in(fork)).enter_fork((await room_in(fork)).answers()[0].event_id)
        said += ["Echo: two\n\nafter the question", "and again"]
        assert await told(upstream, again, "and again") == said


@pytest.mark.long
async def test_a_part_of_an_answer_stands_for_the_whole(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as person:
        source = Room(running, person, (await bot_room(running, person)).room_id)
        await source.ask("!ab agent Ada")
        long = "\n\n".join(f"{number} {'word ' * 1_000}".strip() for number in range(8))
        upstream.scripts.append(says(long))
        await source.say("at length")
        await source.person.wait_for(lambda: len(source.answers()) > 1)
        await source.settled()
        fork = await source.enter_fork(source.answers()[0].event_id)
        assert await told(upstream, fork, "shorter") == ["at length", long, "shorter"]


@pytest.mark.long
async def test_a_conversation_that_ended_is_forked(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as person:
        desk = await bot_chat(running, person)
        await desk.ask("agent Ada")
        source = await room_in(await new_chat(desk))
        _, first, *_ = await source.ask_agent("early", "late")
        await source.ask("!ab save here")
        await source.ask("!ab reset")
        _, fresh = await source.ask_agent("fresh")
        assert await told(upstream, await source.enter_fork(first), "from then") == [
            "early",
            "Echo: early",
            "from then",
        ]
        fork = await source.enter_fork(fresh)
        assert await told(upstream, fork, "from now") == ["fresh", "Echo: fresh", "from now"]


@pytest.mark.long
async def test_members_of_a_home_fork_what_they_read_and_enter_alone(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with in_home(harness, running) as bob, in_home(harness, running) as eve:
        _, first = await bob.ask_agent("by Bob")
        await eve.person.wait_for(lambda: first in {each.event_id for each in eve.answers()})
        _, answer = await eve.ask_agent("by Eve")
        await bob.person.wait_for(lambda: answer in {each.event_id for each in bob.answers()})
        fork = await bob.enter_fork(answer)
        await fork.synced()
        assert eve.person.user_id not in {*fork.room.members(), *fork.room.members("invite")}
        assert fork.room_id not in eve.person.invites
        said = await told(upstream, fork, "by Bob alone")
        assert said[-5:] == ["by Bob", "Echo: by Bob", "by Eve", "Echo: by Eve", "by Bob alone"]
        # A thread: with the message that it is about, and the question that this one answers.
        thread = await bob.ask_agent("in the thread", "more", thread=answer)
        fork = await bob.enter_fork(thread[1], thread=answer)
        said = ["by Eve", "Echo: by Eve", "in the thread", "Echo: in the thread", "out of it"]
        assert await told(upstream, fork, "out of it") == said
        # The root itself belongs to the room.
        fork = await bob.enter_fork(answer, thread=answer)
        assert (await told(upstream, fork, "at the root"))[-3:] == ["by Eve", "Echo: by Eve", "at the root"]


@pytest.mark.long
async def test_other_messages_make_no_chat(harness: BridgeHarness, running: Running) -> None:
    async with in_home(harness, running) as bob, harness.person() as eve:
        desk = await bot_chat(running, eve)
        await desk.ask("agent Ada")
        hers = await room_in(await new_chat(desk))
        _, secret = await hers.ask_agent("Eve's secret")
        question, _ = await bob.ask_agent("a question to be redacted")
        assert (await bob.ask("!ab fork")).body.startswith("Please reply with !ab fork to a message")
        unknown = "The conversation with Ada does not have that message, or it has no answer yet."
        note = bob.said()[-1].event_id
        await bob.person.redact(bob.room_id, question)
        for event in (secret, "$nothing:test.local", note, question):
            assert await bob.fork(event) == unknown
        assert "200 characters at most" in await bob.fork(secret, f"!ab fork {'x' * 201}")
        assert (await desk.ask("fork")).body.startswith("Please send this command in an agent's room.")
        assert await running.database.rows("SELECT 1 FROM room WHERE person = %s", (bob.person.user_id,)) == []


@pytest.mark.long
async def test_a_redacted_message_leaves_the_forks(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as person:
        desk = await bot_chat(running, person)
        await desk.ask("agent Ada")
        source = await room_in(await new_chat(desk))
        _, _, secret, answer = await source.ask_agent("public", "my secret")
        fork = await source.enter_fork(answer)
        await person.redact(source.room_id, secret)
        await person.wait_for(lambda: answer not in {each.event_id for each in source.answers()})
        await source.settled()
        assert await told(upstream, fork, "what?") == ["public", "Echo: public", "what?"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "make"), [("letta", ScriptedAppServer), ("letta_v1", ScriptedLettaV1), ("openai", ScriptedUpstream)]
)
async def test_a_server_that_keeps_the_conversation_copies_it_or_is_told(
    harness: BridgeHarness, database_url: str, kind: str, make: type[ScriptedUpstream]
) -> None:
    async with make("Ada") as server, harness.person() as person:
        server.models[0] |= {"name": "Ada"}
        keys = {"kind": kind} if kind != "openai" else {"history": "server", "session_header": "X-Session"}
        config = harness.config(database_url, [{"name": "scripted", "url": server.url, **keys}])
        async with harness.bridge(config) as running:
            talk = await running.join(person, server.names[0])
            source = Room(running, person, talk.room_id)
            _, first, *_ = await source.ask_agent("one", "two")
            fork = await source.enter_fork(first, "!ab fork Other")
            await fork.say("three")
            await person.wait_for(lambda: len(fork.room.said_by(talk.ghost)) > 0)
            await fork.settled()
            if isinstance(server, ScriptedAppServer):
                said = {each.summary: _questions(each.messages) for each in server.talks.values()}
                assert said == {"one": ["one", "two"], "Other": ["one", "three"]}
                return
            told = _asked(server)
            assert told.startswith("(The conversation so far")
            assert [text in told for text in ("user: one", "Echo: one", "two", "three")] == [True, True, False, True]


def _questions(messages: list[dict[str, Any]]) -> list[str]:
    return [each["content"][0]["text"] for each in messages if each["message_type"] == "user_message"]


def _asked(server: ScriptedUpstream) -> str:
    """Return the last question that the server got."""
    if not isinstance(server, ScriptedLettaV1):
        return server.questions[-1]
    *_, talk = server.talks.values()
    *_, last = [each for each in talk.messages if each["message_type"] == "user_message"]
    return str(last["content"])
