"""The bridge bot and its commands."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from support.scripted_upstream import ScriptedUpstream, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.shared_bridge import SharedBridge

BOT = "@agentbridge:test.local"


@dataclass
class Desk:
    """A person in a DM with the bot."""

    running: Running
    person: Person
    room_id: str

    def said(self) -> list[Message]:
        return self.person.room(self.room_id).said_by(BOT)

    async def ask(self, text: str) -> Message:
        """Say *text* to the bot and return its answer."""
        before = len(self.said())
        await self.person.say(self.room_id, text)
        return (await self.person.wait_for(lambda: self.said()[before:]))[0]


@asynccontextmanager
async def desk(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, name: str | None, language: str = "en"
) -> AsyncIterator[Desk]:
    config = harness.config(database_url, [{"name": "u", "url": upstream.url}], language=language)
    async with harness.bridge(config) as running, harness.person(name) as person:
        for agent in upstream.names:
            await running.contact(agent)
        room_id = await person.create_dm(BOT)
        desk = Desk(running, person, room_id)
        await person.wait_for(desk.said)
        yield desk


async def test_a_dm_begins_with_a_greeting_and_help_lists_the_permitted_commands(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("x") as upstream, desk(harness, database_url, upstream, None) as member:
        assert "help" in member.said()[0].body
        answer = (await member.ask("help")).body
        assert "agents" in answer
        assert "retry" not in answer
        refusal = (await member.ask("invite x")).body
        assert "admin" in refusal


async def test_agents_are_a_table_of_links(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream:
        upstream.models[0]["name"] = "Ada | *Lovelace*"
        async with desk(harness, database_url, upstream, None) as member:
            room_id = (await member.running.contact("Ada | *Lovelace*")).home.room_id or ""
            html = (await member.ask("agents")).html or ""
            assert "<table>" in html
            assert "Ada | *Lovelace*" in html
            assert f"https://matrix.to/#/{room_id}?via=test.local" in html


async def test_an_admin_lets_people_in(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada", "adam", "bert") as upstream:
        for model, name in zip(upstream.models, ("Ada", "Adam", "Bert the Great"), strict=True):
            model["name"] = name
        async with desk(harness, database_url, upstream, "admin") as admin, harness.person() as guest:
            rooms = {name: (await admin.running.contact(name)).home.room_id or "" for name in upstream.names}
            assert "Invited" in (await admin.ask("invite ada")).body
            await admin.person.wait_for(lambda: rooms["Ada"] in admin.person.invites)
            assert "Which one" in (await admin.ask("invite ad")).body
            assert "Invited" in (await admin.ask("invite Bert the great")).body
            assert "Invited" in (await admin.ask(f"INVITE brt the great {guest.user_id}")).body
            await guest.wait_for(lambda: rooms["Bert the Great"] in guest.invites)
            await guest.join(rooms["Bert the Great"])
            assert "already" in (await admin.ask(f"invite bert {guest.user_id}")).body
            assert "No agent" in (await admin.ask("invite zzzzzz")).body
            assert "Usage" in (await admin.ask("invite")).body
            assert "is not a Matrix user id" in (await admin.ask("invite ada @broken")).body
            async with harness.person("stranger") as stranger:
                assert "has no role" in (await admin.ask(f"invite ada {stranger.user_id}")).body


@pytest.mark.long
async def test_a_repeated_invitation_is_one_event(harness: BridgeHarness, database_url: str) -> None:
    """A kill before the answer makes the command run twice; it invites once."""
    async with (
        ScriptedUpstream("x") as upstream,
        desk(harness, database_url, upstream, "admin") as admin,
        harness.person() as guest,
    ):
        room_id = (await admin.running.contact(upstream.names[0])).home.room_id or ""

        async def invitation() -> str:
            assert "Invited" in (await admin.ask(f"invite {upstream.names[0]} {guest.user_id}")).body
            event = await admin.running.homeserver.state(room_id, "m.room.member", guest.user_id)
            assert event is not None
            return str(event["event_id"])

        assert await invitation() == await invitation()


async def test_an_unknown_word_gets_the_nearest_command(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream, desk(harness, database_url, upstream, "admin") as admin:
        assert "!ab agents" in (await admin.ask("agnets")).body
        assert "help" in (await admin.ask("qwertyuiop")).body


async def test_status_and_sync_tell_how_servers_are(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream, desk(harness, database_url, upstream, "admin") as admin:
        assert "1 agent," in (await admin.ask("status")).body
        upstream.models.append({"id": upstream.names[0] + "-more", "object": "model"})
        assert "2 agents" in (await admin.ask("sync")).body
        upstream.status = 401
        assert "⚠️" in (await admin.ask("sync")).body


@pytest.mark.long
async def test_the_prefix_works_in_an_agents_room(shared: SharedBridge) -> None:
    async with ScriptedUpstream("x") as upstream, shared.talk(upstream) as talk:
        await talk.say("!ab help")
        answer = await talk.person.wait_for(lambda: talk.from_bot)
        assert "agents" in answer[0].body
        await talk.say("!about this")
        await talk.wait_for_answers(1)
        assert upstream.questions == ["!about this"]


@pytest.mark.long
async def test_in_a_room_of_several_the_bot_listens_to_its_prefix_only(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        ScriptedUpstream("x") as upstream,
        desk(harness, database_url, upstream, None) as member,
        harness.person() as other,
    ):
        room_id = await member.person.create_room(preset="private_chat", invite=[other.user_id])
        await other.join(room_id)
        await member.person.invite(room_id, BOT)
        room = member.person.room
        await member.person.wait_for(lambda: room(room_id).said_by(BOT))
        await other.say(room_id, "help")
        await other.say(room_id, "!ab help")
        await member.person.wait_for(lambda: len(room(room_id).said_by(BOT)) == 2)
        assert len(room(room_id).said_by(BOT)) == 2


async def test_a_stranger_gets_no_bot_and_a_ghost_points_to_its_room(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream, desk(harness, database_url, upstream, None) as member:
        async with harness.person("stranger") as stranger:
            room_id = await stranger.create_dm(BOT)
            await stranger.wait_for(lambda: BOT in stranger.room(room_id).members("leave"))
        ghost = f"@{(await member.running.contact(upstream.names[0])).agent.ghost}:test.local"
        # A ghost answers in any room of people but the chat with the bot, and a Space.
        space = await member.person.create_room(preset="private_chat", creation_content={"type": "m.space"})
        await member.person.invite(space, ghost)
        await member.person.wait_for(lambda: ghost in member.person.room(space).members("leave"))
        dm = await member.person.create_dm(BOT)
        await member.person.wait_for(lambda: member.person.room(dm).said_by(BOT))
        await member.person.invite(dm, ghost)
        await member.person.wait_for(lambda: ghost in member.person.room(dm).members("leave"))
        reason = member.person.room(dm).state["m.room.member", ghost]["reason"]
        (told,) = member.person.room(dm).said_by(ghost)
        alias = f"#{ghost[1:]}"
        assert told.body == reason
        assert alias in reason
        assert "@admin:test.local" in reason


@pytest.mark.long
async def test_the_bot_says_nothing_of_commands_in_an_encrypted_chat(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream, desk(harness, database_url, upstream, None) as member:
        state = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        room_id = await member.person.create_room(
            preset="trusted_private_chat", is_direct=True, invite=[BOT], initial_state=[state]
        )
        room = member.person.room
        await member.person.wait_for(lambda: room(room_id).said_by(BOT))
        assert [message.body for message in room(room_id).said_by(BOT)] == [ENGLISH.encrypted]


@pytest.mark.long
async def test_messages_from_before_the_bot_joined_are_answered(harness: BridgeHarness, database_url: str) -> None:
    """Clients send the first message with the invitation; the homeserver never pushes it."""
    async with ScriptedUpstream("x") as upstream, desk(harness, database_url, upstream, None) as member:
        room_id = await member.person.create_dm(BOT)
        await member.person.say(room_id, "help")

        def answers() -> list[str]:
            return [message.body for message in member.person.room(room_id).said_by(BOT)]

        await member.person.wait_for(lambda: len(answers()) == 2)
        assert "agents" in answers()[1]


@pytest.mark.long
async def test_the_bridge_speaks_the_language_of_its_configuration(harness: BridgeHarness, database_url: str) -> None:
    """The commands are the same in every language; all other texts are translated."""
    async with ScriptedUpstream("x") as upstream, desk(harness, database_url, upstream, "admin", "ru") as admin:
        assert admin.said()[0].body == RUSSIAN.hello.replace("`", "")
        assert "1 агент;" in (await admin.ask("status")).body
        upstream.status = 401
        assert "сервер u не принимает api_key (401)" in ((await admin.ask("sync")).html or "")
        asked = await admin.person.say(admin.room_id, "failed")
        await admin.person.wait_for(lambda: admin.said()[-1].body == RUSSIAN.commands.none_failed)
        story = (await admin.ask(f"why {asked}")).body
        assert "команда от" in story
        assert "готово, показано частей: 1" in story
        for line in story.splitlines():
            assert not line or re.search("[\u0400-\u04ff]", line), line
        # The help for an administrator is longer than one message.
        told = (await admin.ask("help")).body.splitlines()
        assert told[0] == RUSSIAN.commands.help_head
        assert f"• !ab agents [страница]: {RUSSIAN.commands.help['agents']}" in told


@pytest.mark.long
async def test_a_failure_is_told_in_the_language_of_the_configuration(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        ScriptedUpstream("x") as upstream,
        harness.talk(database_url, upstream, language="ru") as talk,
    ):
        upstream.script = says(401)
        await talk.say("hi")
        (answer,) = await talk.wait_for_answers(1)
        assert answer.body.startswith("⚠️ Ответа нет: мост не может пользоваться сервером агента x")
