"""The commands ``chats`` and ``rename``, and titles that chats get after their first answer."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.bot_rooms import BotRoom, bot_chat, named_upstream
from support.chat_rooms import Chat, linked_room, new_chat
from support.conditions import eventually
from support.scripted_upstream import says, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness
    from support.scripted_upstream import Piece, ScriptedUpstream


@asynccontextmanager
async def desk(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, **sections: Any
) -> AsyncIterator[BotRoom]:
    """Run a bridge with Ada; give a person in a chat with the bot who has chosen her."""
    config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}], **sections)
    async with harness.person() as person, harness.bridge(config) as running:
        await running.contact("Ada")
        room = await bot_chat(running, person)
        await room.ask("agent Ada")
        yield room


async def has_name(chat: Chat, name: str) -> None:
    await chat.person.wait_for(lambda: chat.room.name == name)


async def is_titled_by(chat: Chat, source: str) -> str:
    """Wait until the title of the chat comes from *source*; return it."""

    async def title() -> str | None:
        row = await chat.row()
        return row["name"] if row["titled_by"] == source else None

    return str(await eventually(title, f"the title is {source}"))


async def test_the_first_words_become_the_title(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, desk(harness, database_url, upstream) as room:
        chat = await new_chat(room)
        assert chat.room.name == "Ada · new chat"
        await chat.say("Plan a trip to Oslo. It should be cheap.")
        await has_name(chat, "Plan a trip to Oslo")
        assert await is_titled_by(chat, "made") == "Plan a trip to Oslo"
        # Later messages change nothing, and neither does an answer in a chat with a title.
        await chat.say("Something else")
        await chat.answers_of("Ada", 2)
        given = await new_chat(room, "new My title")
        await given.say("Hello")
        await given.answers_of("Ada", 1)
        await chat.synced()
        await given.synced()
        assert (chat.room.name, given.room.name) == ("Plan a trip to Oslo", "My title")


@pytest.mark.long
async def test_the_name_of_a_person_stays(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, desk(harness, database_url, upstream) as room:
        # Before the first answer.
        chat = await new_chat(room)
        await chat.person.set_state(chat.room_id, "m.room.name", {"name": "Mine"})
        assert await is_titled_by(chat, "person") == "Mine"
        await chat.say("Plan a trip")
        await chat.answers_of("Ada", 1)
        await chat.synced()
        assert chat.room.name == "Mine"
        # After it.
        other = await new_chat(room)
        await other.say("Plan a trip")
        await has_name(other, "Plan a trip")
        await other.person.set_state(other.room_id, "m.room.name", {"name": "Oslo"})
        assert await is_titled_by(other, "person") == "Oslo"
        assert [line[3:].partition(" with")[0] for line in (await room.ask("chats")).body.splitlines()[2:]] == [
            "Oslo",
            "Mine",
        ]
        # By a command.
        assert (await other.ask("!rename Bergen, the *rainy* one")).body == (
            "This chat is called Bergen, the *rainy* one now."
        )
        await has_name(other, "Bergen, the *rainy* one")
        assert await is_titled_by(other, "given") == "Bergen, the *rainy* one"
        await other.synced()
        assert other.room.name == "Bergen, the *rainy* one"


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (['"Trip to Oslo".\n\nAnything else?'], "Trip to Oslo"),
        pytest.param(["**Oslo** for two"], "Oslo for two", marks=pytest.mark.long),
        pytest.param([503], "Plan a cheap trip to Oslo…", marks=pytest.mark.long),
        pytest.param(["  \n "], "Plan a cheap trip to Oslo…", marks=pytest.mark.long),
    ],
)
async def test_a_model_gives_the_title(
    harness: BridgeHarness, database_url: str, answer: list[Piece], title: str
) -> None:
    async with (
        named_upstream("Ada") as upstream,
        desk(harness, database_url, upstream, chats={"titles": "model"}) as room,
    ):
        chat = await new_chat(room)
        upstream.scripts += [says("Gladly."), says(*answer)]
        await chat.say("Plan a cheap trip to Oslo, please")
        assert await is_titled_by(chat, "made") == title
        assert "Question: Plan a cheap trip to Oslo, please\n\nAnswer: Gladly." in upstream.questions[1]
        # The question for the title is no part of the conversation.
        await chat.say("Go on")
        await chat.answers_of("Ada", 2)
        said = [each["content"] for each in upstream.asked[-1]["messages"]]
        assert said == ["Plan a cheap trip to Oslo, please", "Gladly.", "Go on"]


@pytest.mark.long
async def test_a_name_that_is_set_while_the_model_makes_the_title_stays(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        named_upstream("Ada") as upstream,
        desk(harness, database_url, upstream, chats={"titles": "model"}) as room,
    ):
        chat, gate = await new_chat(room), asyncio.Event()
        upstream.scripts += [says("Gladly."), waits_for(gate, "Trip ", "to Oslo")]
        await chat.say("Plan a trip")

        async def title_asked() -> bool:
            return len(upstream.asked) == 2

        await eventually(title_asked, "the model is asked for a title")
        await chat.person.set_state(chat.room_id, "m.room.name", {"name": "Mine"})
        await is_titled_by(chat, "person")
        gate.set()
        # The next title waits until this one is made.
        other = await new_chat(room)
        upstream.scripts += [says("Gladly."), says("Bergen")]
        await other.say("Plan another trip")
        await has_name(other, "Bergen")
        row = await chat.synced()
        assert (row["name"], row["titled_by"]) == ("Mine", "person")


@pytest.mark.long
async def test_a_server_that_keeps_conversations_is_not_asked_for_a_title(
    harness: BridgeHarness, database_url: str
) -> None:
    async with named_upstream("Ada") as upstream:
        config = harness.config(
            database_url,
            [{"name": "scripted", "url": upstream.url, "history": "server"}],
            chats={"titles": "model"},
        )
        async with harness.person() as person, harness.bridge(config) as running:
            await running.contact("Ada")
            room = await bot_chat(running, person)
            await room.ask("agent Ada")
            chat = await new_chat(room)
            await chat.say("Plan a trip")
            assert await is_titled_by(chat, "made") == "Plan a trip"
            assert upstream.questions == ["Plan a trip"]


@pytest.mark.long
async def test_titles_can_be_switched_off(harness: BridgeHarness, database_url: str) -> None:
    async with (
        named_upstream("Ada") as upstream,
        desk(harness, database_url, upstream, chats={"titles": "off"}) as room,
    ):
        chat = await new_chat(room)
        await chat.say("Plan a trip")
        await chat.answers_of("Ada", 1)
        await chat.synced()
        assert chat.room.name == "Ada · new chat"
        listed = (await room.ask("chats")).body.splitlines()[2]
        assert listed.startswith(f"1. Chat {chat.number} with Ada, ")


async def test_people_see_their_own_chats_and_administrators_no_titles(
    harness: BridgeHarness, database_url: str
) -> None:
    async with named_upstream("Ada") as upstream, desk(harness, database_url, upstream) as room:
        chat = await new_chat(room, "new My secret")
        listed = await room.ask("chats")
        assert listed.body.splitlines()[:1] == ["Your chats:"]
        assert linked_room(listed.html) == chat.room_id
        assert "only" in (await room.ask("chats all")).body
        async with harness.person() as other, harness.person("admin") as admin:
            others, admins = await bot_chat(room.running, other), await bot_chat(room.running, admin)
            assert (await others.ask("chats")).body.startswith("You have no chats yet.")
            assert (await admins.ask("chats")).body.startswith("You have no chats yet.")
            of_all = (await admins.ask("chats all")).body
            assert f"Chat {chat.number} of {room.person.user_id} with Ada" in of_all
            assert "secret" not in of_all
            # A guest of the chat does not name it, nor does anybody elsewhere.
            await chat.person.invite(chat.room_id, other.user_id)
            await other.join(chat.room_id)
            guest = BotRoom(room.running, other, chat.room_id)
            for place in (guest, others, room):
                assert (await place.ask("!ab rename Taken over")).body.startswith("This room is none of your chats.")
        assert chat.room.name == "My secret"


@pytest.mark.long
async def test_a_title_does_not_keep_redacted_words(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, desk(harness, database_url, upstream) as room:
        chat = await new_chat(room)
        secret = await chat.say("My secret plan")
        await has_name(chat, "My secret plan")
        await chat.settled()
        second = await chat.say("Weather in Oslo")
        await chat.answers_of("Ada", 2)
        await chat.synced()
        await chat.person.redact(chat.room_id, secret)
        await has_name(chat, "Weather in Oslo")
        assert await is_titled_by(chat, "made") == "Weather in Oslo"
        await chat.synced()
        # Nothing is left: the chat has no title until its next answer.
        await chat.person.redact(chat.room_id, second)
        await has_name(chat, "Ada · new chat")
        row = await chat.synced()
        assert (row["titled_by"], row["title_turn"], row["name_redacted"]) == (None, None, False)
        history = await chat.person.ask("GET", f"/rooms/{chat.room_id}/messages?dir=b&limit=100")
        names = [each["content"].get("name") for each in history["chunk"] if each["type"] == "m.room.name"]
        assert {*names} == {"Ada · new chat", None}
        rows = await chat.running.database.rows("SELECT to_jsonb(r)::text AS row FROM room r")
        assert not [each for each in rows if "secret" in each["row"] or "Weather" in each["row"]]
        await chat.say("Something else")
        await has_name(chat, "Something else")
        # A name that the person gave stays.
        await chat.ask("!rename Mine")
        third = next(each for each in chat.room.messages.values() if each.body == "Something else")
        await chat.person.redact(chat.room_id, third.event_id)
        await chat.say("The end")
        await chat.person.wait_for(lambda: "Echo: The end" in {each.body for each in chat.room.messages.values()})
        assert (await chat.synced())["name"] == "Mine"
