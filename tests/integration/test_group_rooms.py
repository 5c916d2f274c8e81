"""Two agents in one room, on a real Synapse: both answer the same event, each exactly once, in spite of faults."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.ids import MARK, mark, turn_key
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.turns import Turns
from support.conditions import eventually
from support.harness import DOMAIN
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream, own_words
from support.turn_rows import take_part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message, Room
    from support.harness import BridgeHarness, Running
    from support.person import Person

BOT = f"@agentbridge:{DOMAIN}"


@dataclass(frozen=True)
class Group:
    """A room with a person and two ghosts (user ids)."""

    person: Person
    room_id: str
    ghosts: tuple[str, str]

    @property
    def room(self) -> Room:
        return self.person.room(self.room_id)

    def said(self) -> list[list[str]]:
        """Return the messages of each ghost, as the person sees them."""
        return [[message.body for message in self.room.said_by(ghost)] for ghost in self.ghosts]

    def answers(self) -> list[list[Message]]:
        return [self.room.said_by(ghost) for ghost in self.ghosts]

    async def ask(self, text: str, *ghosts: str) -> str:
        """Say *text* to *ghosts*, or to both; return the event."""
        content = {"msgtype": "m.text", "body": text, "m.mentions": {"user_ids": list(ghosts or self.ghosts)}}
        return await self.person.send(self.room_id, "m.room.message", content)

    async def see(self, *said: list[str], within: float = 20) -> None:
        """Wait until the ghosts' messages are exactly *said*."""
        await self.person.wait_for(lambda: self.said() == [*said], within)


def configured(harness: BridgeHarness, url: str, upstream: ScriptedUpstream, **sections: Any) -> Config:
    there = {"name": "scripted", "url": upstream.url, "session_header": "X-Session"}
    return harness.config(url, [there], logging={"format": "json"}, **sections)


async def gather(running: Running, person: Person, upstream: ScriptedUpstream) -> Group:
    """Have *person* make a room with the bridge bot, and let both agents of *upstream* take part in it."""
    agents = [(await running.contact(name)).agent for name in upstream.names]
    room_id = await person.create_room(preset="private_chat", invite=[BOT, f"@admin:{DOMAIN}"])
    await person.wait_for(lambda: person.room(room_id).said_by(BOT))
    frida, gala = (f"@{agent.ghost}:{DOMAIN}" for agent in agents)
    for ghost in (frida, gala):
        # The bridge itself invites: no turn is made of that.
        await running.homeserver.invite(room_id, ghost)
        await running.homeserver.join(room_id, ghost)
    await take_part(running.database, room_id, *(agent.id for agent in agents))
    return Group(person, room_id, (frida, gala))


@asynccontextmanager
async def group(
    harness: BridgeHarness, url: str, upstream: ScriptedUpstream, **sections: Any
) -> AsyncIterator[tuple[Running, Group]]:
    async with (
        harness.person() as person,
        harness.bridge(configured(harness, url, upstream, **sections)) as running,
    ):
        yield running, await gather(running, person, upstream)


async def closed(database: Database, count: int) -> None:
    """Wait until *count* messages have closed turns, and no turn is open."""

    async def look() -> bool:
        rows = await database.rows("SELECT 1 FROM turn WHERE kind = 'message'")
        return len(rows) == count and not await Turns(database).count_open()

    await eventually(look, "every turn is closed", 30)


async def test_both_agents_answer_the_same_event(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("frida", "gala") as upstream,
        group(harness, database_url, upstream) as (running, talk),
    ):
        event = await talk.ask("hello")
        await talk.see(["Echo: hello"], ["Echo: hello"])
        for ghost, (answer,) in zip(talk.ghosts, talk.answers(), strict=True):
            localpart = ghost[1:].partition(":")[0]
            assert answer.content[MARK] == mark(turn_key(event, localpart), 0)
        # A message without a mention is for no agent; a reply is for the agent of the replied-to message.
        await talk.person.say(talk.room_id, "what do you think?")
        await talk.person.reply(talk.room_id, talk.answers()[1][0].event_id, "really?")
        await closed(running.database, 3)
        await talk.person.wait_for(lambda: [len(said) for said in talk.said()] == [1, 2])
        # Each agent has a separate upstream conversation.
        sessions = {headers["X-Session"] for headers in upstream.headers[:2]}
        assert sessions == {f"{talk.room_id}/{ghost[1:].partition(':')[0]}" for ghost in talk.ghosts}
        assert {body["model"] for body in upstream.asked[:2]} == {model["id"] for model in upstream.models}


@pytest.mark.long
async def test_the_bot_tells_that_a_ghost_may_not_speak(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("frida", "gala") as upstream,
        group(harness, database_url, upstream) as (running, talk),
    ):
        frida, _ = talk.ghosts
        levels = await running.homeserver.state(talk.room_id, "m.room.power_levels", as_user=BOT)
        assert levels is not None
        content = levels["content"]
        muted = {"users": content["users"] | {BOT: 50}, "events_default": 50}
        await talk.person.set_state(talk.room_id, "m.room.power_levels", content | muted)
        greetings = len(talk.room.said_by(BOT))
        question = await talk.ask("hello?", frida)
        await talk.person.wait_for(lambda: len(talk.room.said_by(BOT)) > greetings)
        (told,) = talk.room.said_by(BOT)[greetings:]
        assert f"{upstream.names[0]} is not permitted to send messages" in told.body
        assert told.content["m.relates_to"]["m.in_reply_to"]["event_id"] == question
        await closed(running.database, 1)
        # The agent is asked once: its answer was committed, and was refused twice.
        assert [own_words(question) for question in upstream.questions] == ["hello?"]
        assert talk.said() == [[], []]


@pytest.mark.long
async def test_both_go_on_after_a_kill_and_say_nothing_twice(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("frida", "gala") as upstream:
        async with group(harness, database_url, upstream) as (_, talk):
            pass
        never = asyncio.Event()

        async def half(_question: str) -> AsyncIterator[str]:
            yield "half of "
            await never.wait()

        upstream.scripts.extend([half, half])
        config = configured(harness, database_url, upstream)
        name = talk.person.user_id[1:].partition(":")[0]
        async with harness.person(name) as person, Database(database_url) as database:
            talk = Group(person, talk.room_id, talk.ghosts)
            async with BridgeProcess(tmp_path, config) as bridge:
                await talk.ask("one")
                await talk.see(["half of"], ["half of"])
                await bridge.kill()
            async with BridgeProcess(tmp_path, config):
                await closed(database, 2)
                await talk.see(["Echo: one"], ["Echo: one"])
            # Death between the homeserver's response and the row; the homeserver forgets transaction ids as well.
            before = [[answer.event_id for answer in answers] for answers in talk.answers()]
            await database.execute("UPDATE turn SET state = 'committed', finished_at = NULL WHERE kind = 'message'")
            await database.execute("UPDATE outbox SET event_id = NULL")
            await harness.synapse.restart()
            async with BridgeProcess(tmp_path, config):
                await closed(database, 2)
                await talk.ask("two")
                await talk.see(["Echo: one", "Echo: two"], ["Echo: one", "Echo: two"])
            rows = await database.rows(
                """
                SELECT o.event_id
                FROM outbox o JOIN turn t ON t.id = o.turn JOIN conversation c ON c.id = t.conversation
                WHERE c.agent IS NOT NULL ORDER BY t.id
                """
            )
            assert [row["event_id"] for row in rows][:2] == [events[0] for events in before]


@pytest.mark.parametrize("target", ["question", pytest.param("answer", marks=pytest.mark.long)])
async def test_a_stop_ends_one_answer_or_both(harness: BridgeHarness, database_url: str, target: str) -> None:
    async with (
        ScriptedUpstream("frida", "gala") as upstream,
        group(harness, database_url, upstream) as (running, talk),
    ):
        gate = asyncio.Event()

        async def script(_question: str) -> AsyncIterator[str]:
            yield "first words "
            await gate.wait()
            yield "and the rest"

        upstream.script = script
        event = await talk.ask("go on")
        await talk.see(["first words"], ["first words"])
        answers = talk.answers()
        await talk.person.react(talk.room_id, event if target == "question" else answers[1][0].event_id, "🛑")
        stopped = "first words\n\n*(stopped)*"
        await talk.person.wait_for(lambda: talk.said()[1] == [stopped])
        gate.set()
        whole = "first words and the rest"
        await talk.see([stopped if target == "question" else whole], [stopped])
        await closed(running.database, 2)


@pytest.mark.long
async def test_an_edit_changes_both_answers_and_why_tells_of_both(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("frida", "gala") as upstream,
        group(harness, database_url, upstream, lanes={"drain_timeout": 2, "max_attempts": 1, "upstream_wait": 0}) as (
            running,
            talk,
        ),
        harness.person("admin") as admin,
    ):
        await admin.join(talk.room_id)

        async def picky(question: str) -> AsyncIterator[str | int]:
            words = own_words(question)
            yield 503 if len(upstream.asked) % 2 and "fail" in words else f"Echo: {words}"

        upstream.script = picky
        event = await talk.ask("hello")
        await talk.see(["Echo: hello"], ["Echo: hello"])
        await talk.person.edit(talk.room_id, event, "good morning")
        await talk.see(["Echo: good morning"], ["Echo: good morning"])
        await talk.person.react(talk.room_id, event, "🔁")

        async def asked_again() -> bool:
            return len(upstream.asked) == 6

        await eventually(asked_again, "both were asked again")
        await closed(running.database, 2)

        async def told(command: str) -> str:
            before = len(talk.room.said_by(BOT))
            await admin.say(talk.room_id, f"!ab {command}")
            await talk.person.wait_for(lambda: len(talk.room.said_by(BOT)) > before)
            return talk.room.said_by(BOT)[before].body

        story = await told(f"why {event}")
        assert all(name in story for name in upstream.names)
        # One of two answers fails; a retry of the event asks for that one only.
        failing = await talk.ask("fail")
        await closed(running.database, 4)
        await talk.person.wait_for(lambda: sum("⚠️" in said[-1] for said in talk.said()) == 1)
        await talk.person.wait_for(lambda: talk.room.reactions_to(failing) == ["⚠️", "🔁"])
        upstream.script = script_of("at last")
        assert (await told(f"retry {failing}")).count("will be asked again") == 1
        await talk.person.wait_for(lambda: sorted(said[-1] for said in talk.said()) == ["Echo: fail", "at last"])
        await talk.person.wait_for(lambda: talk.room.reactions_to(failing) == [])


def script_of(text: str) -> Any:
    async def script(_question: str) -> AsyncIterator[str]:
        yield text

    return script


@pytest.mark.long
async def test_a_command_about_a_conversation_is_for_the_agent_that_it_replies_to(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        ScriptedUpstream("frida", "gala") as upstream,
        group(harness, database_url, upstream) as (_, talk),
    ):
        await talk.ask("hello")
        await talk.see(["Echo: hello"], ["Echo: hello"])
        await talk.ask("only you", talk.ghosts[1])
        await talk.see(["Echo: hello"], ["Echo: hello", "Echo: only you"])
        told = []
        # The first gets, as one message, what was said to the other and by it.
        for answers, messages in zip(talk.answers(), ("3 messages", "4 messages"), strict=True):
            await talk.person.reply(talk.room_id, answers[0].event_id, "!ab context")
            told.append(messages)
            await talk.person.wait_for(lambda: len(talk.room.said_by(BOT)) == 1 + len(told))
            assert f"gets {messages} before" in talk.room.said_by(BOT)[-1].body
        await talk.person.say(talk.room_id, "!ab context")
        await talk.person.wait_for(lambda: len(talk.room.said_by(BOT)) == 4)
        assert "reply to a message of an agent" in talk.room.said_by(BOT)[-1].body
