"""The command ``new``: people open chats, each a private room with an agent and with a conversation of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.matrix.rooms import CHAT
from agent_bridge.store.kv import KeyValues
from support.bot_rooms import NAMES, BotRoom, bot_chat, named_upstream
from support.chat_rooms import linked_room, new_chat
from support.conditions import eventually
from support.harness import SHARED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server
    from support.scripted_upstream import ScriptedUpstream

ADA, BEA, RESEARCH = NAMES
#: One bridge serves all of these tests.
pytestmark = pytest.mark.xdist_group("integration/test_chats")


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with named_upstream(*NAMES) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    """A bridge with three agents."""
    with postgres.migrated() as url:
        there = {"name": "scripted", "url": upstream.url, "poll_interval": 60}
        config = harness.config(url, [there], service=SHARED, chats={"max_per_user": 6}, space={})
        async with harness.bridge(config) as running:
            for name in NAMES:
                await running.contact(name)
            yield running


@pytest.fixture
async def desk(harness: BridgeHarness, running: Running) -> AsyncIterator[BotRoom]:
    """A new person in a direct chat with the bot."""
    async with harness.person() as person:
        yield await bot_chat(running, person)


async def space_of(running: Running) -> str:
    """Wait for the Space of the bridge; return its id."""
    return str(await eventually(lambda: KeyValues(running.database).get(KeyValues.SPACE), "there is a Space"))


async def may_read(person: Person, room_id: str) -> bool:
    """Tell whether *person* can read the state or the messages of a room."""
    for path in (f"/rooms/{room_id}/state", f"/rooms/{room_id}/messages?dir=b"):
        try:
            await person.ask("GET", path)
        except HomeserverRefused:
            continue
        return True
    return False


async def test_a_chat_is_a_private_room_with_the_selected_agent(desk: BotRoom, running: Running) -> None:
    await desk.ask("agent Bea")
    # A word that is the name of an agent is a title, as all words are.
    answer = await desk.ask("new Research")
    assert answer.body.startswith("The chat Research with Bea is ready: open it")
    room_id = linked_room(answer.html)
    person = desk.person
    await person.wait_for(lambda: room_id in person.invites)
    await person.join(room_id)
    row = await running.database.row("SELECT * FROM room WHERE room_id = %s", (room_id,))
    assert row is not None
    assert (row["kind"], row["person"], row["titled_by"]) == ("chat", person.user_id, "given")
    ghost = running.homeserver.namespace.user_id((await running.contact(BEA)).agent.ghost)
    bot = running.homeserver.namespace.bot
    await person.wait_for(lambda: person.room(room_id).members() == {ghost, bot, person.user_id})
    room = person.room(room_id)
    assert room.name == "Research"
    assert room.state["m.room.join_rules", ""] == {"join_rule": "invite"}
    assert room.state[CHAT, ""] == {"number": row["number"], "person": person.user_id, "agent": ghost}
    assert room.state["m.room.power_levels", ""]["users"] == {person.user_id: 50}
    await person.say(room_id, "hello")
    await person.wait_for(lambda: [each.body for each in person.room(room_id).said_by(ghost)] == ["Echo: hello"])


async def test_each_chat_is_a_conversation_of_its_own(desk: BotRoom, upstream: ScriptedUpstream) -> None:
    await desk.ask("agent Ada")
    chats = [await new_chat(desk) for _ in range(2)]
    assert chats[0].number < chats[1].number
    for word, chat in zip(("plum", "pear"), chats, strict=True):
        await chat.say(word)
        assert await chat.answers_of(ADA, 1) == [f"Echo: {word}"]
    await chats[0].say("more")
    await chats[0].answers_of(ADA, 2)
    (asked,) = [each for each in upstream.asked if each["messages"][-1]["content"] == "more"]
    said = [each["content"] for each in asked["messages"] if each["role"] != "system"]
    assert said == ["plum", "Echo: plum", "more"]


@pytest.mark.long
async def test_a_chat_has_another_agent_than_the_selected_one(desk: BotRoom, running: Running) -> None:
    await desk.ask("agent Ada")
    ghost = running.homeserver.namespace.user_id((await running.contact(RESEARCH)).agent.ghost)
    for line, agent, title in (
        ("new @research", RESEARCH, None),
        (f"new {ghost} Trip to Oslo", RESEARCH, "Trip to Oslo"),
        ("new #2 Trip", BEA, "Trip"),
        ('new "@research"', ADA, "@research"),
    ):
        await desk.ask("agent")
        chat = await new_chat(desk, line)
        row = await chat.row()
        assert (row["agent"], row["name"]) == (agent, title or f"{agent} · new chat")
    # A mention, as clients write it.
    before = len(desk.said())
    pill = f'new <a href="https://matrix.to/#/{ghost}">Letta Agent: Research</a> By pill'
    content = {"msgtype": "m.text", "body": "new Letta Agent: Research By pill", "format": "org.matrix.custom.html"}
    await desk.person.send(desk.room_id, "m.room.message", content | {"formatted_body": pill})
    answer = await desk.answer(before)
    assert answer.body.startswith("The chat By pill with Research is ready")


async def test_without_a_selection_the_list_makes_the_chat(desk: BotRoom) -> None:
    listed = await desk.ask("new Trip to Oslo")
    assert listed.body.splitlines()[0] == "Choose an agent, then the chat opens:"
    answer = await desk.ask("2")
    assert answer.body.startswith("The chat Trip to Oslo with Bea is ready")
    # From now on that agent is the selected one.
    assert (await desk.ask("new")).body.endswith("with Bea is ready: open it")


async def test_a_number_without_a_list_shows_the_list_and_keeps_the_title(desk: BotRoom) -> None:
    await desk.ask("agent Ada")
    listed = await desk.ask("new #2 Trip to Oslo")
    assert listed.body.startswith("A number counts for ten minutes after its list. These are the agents:")
    assert (await desk.ask("2")).body.startswith("The chat Trip to Oslo with Bea is ready")


@pytest.mark.long
async def test_a_number_after_the_list_of_chats_chooses_no_agent(desk: BotRoom) -> None:
    await desk.ask("agent Ada")
    await new_chat(desk, "new Oslo")
    listed = await desk.ask("agent")
    assert (await desk.ask("chats")).body.startswith("Your chats:\n\n1. Oslo with Ada")
    assert (await desk.ask("3")).body.startswith("There is no command 3.")
    # A reaction means the list to which it belongs.
    before = len(desk.said())
    await desk.person.react(desk.room_id, listed.event_id, "3️⃣")
    assert (await desk.answer(before)).body == "You have chosen Research."


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("new @nobody-at-all x", "No agent is called nobody-at-all."),
        ("new #0", "The list has no number 0: it has 1 to 3."),
        ("new #99999 x", "The list has no number 99999: it has 1 to 3."),
        (f"new {'x' * 201}", "`[@agent|#number] [title]` is too long: it has 200 characters at most."),
        (f"new {'x' * 60_000}", "`[@agent|#number] [title]` is too long: it has 1000 characters at most."),
    ],
)
async def test_wrong_arguments_make_no_chat(desk: BotRoom, running: Running, line: str, fault: str) -> None:
    await desk.ask("agent Ada")
    await desk.ask("agent")
    assert (await desk.ask(line)).body.partition(" Usage:")[0].replace("`", "") == fault.replace("`", "")
    assert await running.database.rows("SELECT 1 FROM room WHERE person = %s", (desk.person.user_id,)) == []


@pytest.mark.long
async def test_a_person_has_a_largest_number_of_chats(desk: BotRoom, running: Running) -> None:
    await desk.ask("agent Ada")
    for _ in range(6):
        await desk.ask("new")
    assert (await desk.ask("new")).body == "You have 6 chats, and more are not possible."
    rows = await running.database.rows("SELECT 1 FROM room WHERE person = %s", (desk.person.user_id,))
    assert len(rows) == 6


async def test_other_people_neither_see_nor_enter_a_chat(
    harness: BridgeHarness, desk: BotRoom, running: Running
) -> None:
    await desk.ask("agent Ada")
    chat = await new_chat(desk, "new My secret title")
    row = await chat.synced()
    space = await space_of(running)
    assert row["space"] == space
    async with harness.person() as other, harness.person("admin") as admin:
        for person in (desk.person, other, admin):
            await running.homeserver.invite(space, person.user_id)
            await person.wait_for(lambda person=person: space in person.invites or space in person.rooms)  # type: ignore[misc]
            await person.join(space)
        listed = {each["room_id"]: each for each in await desk.person.hierarchy(space)}
        assert listed[chat.room_id]["name"] == "My secret title"
        for person in (other, admin):
            assert chat.room_id not in {each["room_id"] for each in await person.hierarchy(space)}
            assert not await may_read(person, chat.room_id)
            with pytest.raises(HomeserverRefused):
                await person.join(chat.room_id)
            # The entry of the Space, which its members see, tells nothing about the chat.
            state: list[dict[str, Any]] = [dict(event) for event in await person.state(space)]
            (entry,) = [each for each in state if each.get("state_key") == chat.room_id]
            assert entry["content"] == {"via": ["test.local"], "suggested": False, "order": f"~{chat.number:012d}"}
        assert admin.user_id not in chat.room.state["m.room.power_levels", ""]["users"]


async def test_a_chat_has_the_commands_of_its_room_without_a_prefix(desk: BotRoom) -> None:
    await desk.ask("agent Ada")
    chat = await new_chat(desk)
    await chat.synced()
    assert "You can use these commands" in (await chat.ask("!help")).body
    # Its person decides about its settings.
    assert "one after the other" in (await chat.ask("!busy queue")).body


async def test_a_person_cannot_change_the_number_of_a_chat(desk: BotRoom) -> None:
    await desk.ask("agent Ada")
    chat = await new_chat(desk)
    with pytest.raises(HomeserverRefused):
        await desk.person.set_state(chat.room_id, CHAT, {"number": 10**9})
