"""A room that a person makes with the bot and not as a direct chat: its people choose the agent that answers there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.i18n.english import ENGLISH
from support.bot_rooms import NAMES, BotRoom, bot_room, named_upstream
from support.conditions import eventually
from support.direct_chats import ghost_of, upgrade
from support.harness import SHARED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.postgres import Server
    from support.scripted_upstream import ScriptedUpstream


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A server with three agents."""
    async with named_upstream(*NAMES) as running:
        yield running


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    """A bridge with these agents."""
    with postgres.migrated() as url:
        there = {"name": "scripted", "url": upstream.url, "poll_interval": 60}
        config = harness.config(url, [there], service=SHARED, lanes={"drain_timeout": 2, "max_queued_per_room": 8})
        async with harness.bridge(config) as running:
            for name in NAMES:
                await running.contact(name)
            yield running


@pytest.fixture
async def room(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> AsyncIterator[BotRoom]:
    """A new person in a room with the bot."""
    upstream.asked.clear()
    async with harness.person() as person:
        yield await bot_room(running, person)


async def greeted(room: BotRoom, *texts: str) -> list[str]:
    """Say *texts*, wait for the list, and return the numbers of its lines."""
    before = len(room.said())
    for text in texts:
        await room.say(text)
    listed = (await room.answer(before)).body
    assert listed.startswith("Which agent should answer in this room?")
    return [line for line in listed.splitlines() if line[:1].isdigit()]


async def waiting(room: BotRoom, count: int) -> None:
    """Wait until *count* events wait for the choice, and the list is shown."""
    query = """
        SELECT 1 FROM turn t JOIN conversation c ON c.id = t.conversation WHERE c.room_id = %s AND t.kind = 'choice'
    """

    async def taken() -> bool:
        return len(await room.running.database.rows(query, (room.room_id,))) >= count

    await eventually(taken, f"{count} events wait")
    await room.settled()
    await room.person.wait_for(lambda: len(room.said()) > 1)


async def test_the_first_messages_wait_for_a_choice_and_are_answered_in_order(room: BotRoom) -> None:
    assert "choose the agent" in room.said()[0].body
    lines = await greeted(room, "one", "two", "three")
    assert [line.partition(":")[0] for line in lines] == ["1. Ada", "2. Bea", "3. Research"]
    await room.settled()
    # The list is shown once.
    assert len(room.said()) == 2
    assert (await room.ask("2")).body == "Bea answers in this room from now on."
    await room.say("four")
    assert await room.answers_of("Bea", 4) == ["Echo: one", "Echo: two", "Echo: three", "Echo: four"]
    # A number is a message again, and the selection is the person's own.
    await room.say("3")
    assert (await room.answers_of("Bea", 5))[4] == "Echo: 3"
    assert "2. Bea ✓" in (await room.ask("!ab agent")).body
    selected = await room.ask("!ab agent Ada")
    assert selected.body == "You have chosen Ada. This room stays with Bea."
    await room.say("five")
    assert (await room.answers_of("Bea", 6))[5] == "Echo: five"


async def test_a_keycap_on_the_list_binds_the_room(room: BotRoom) -> None:
    await greeted(room, "hello")
    listed = room.said()[-1]
    keycaps = [f"{number}\ufe0f\u20e3" for number in (1, 2, 3)]
    await room.person.wait_for(lambda: room.room.reactions_to(listed.event_id) == keycaps)
    await room.person.react(room.room_id, listed.event_id, keycaps[2])
    assert await room.answers_of("Research", 1) == ["Echo: hello"]


@pytest.mark.parametrize(
    "line", ["!ab agent ada", pytest.param("!agent 1", marks=pytest.mark.long), "@sharedbridge:test.local: agent Ada"]
)
async def test_the_command_binds_the_room(room: BotRoom, line: str) -> None:
    await greeted(room, "hello")
    content: dict[str, Any] = {"msgtype": "m.text", "body": line}
    if line.startswith("@"):
        content |= {"m.mentions": {"user_ids": ["@sharedbridge:test.local"]}}
    await room.person.send(room.room_id, "m.room.message", content)
    assert await room.answers_of("Ada", 1) == ["Echo: hello"]


async def test_a_reply_to_the_list_may_name_an_agent(room: BotRoom) -> None:
    await greeted(room, "hello")
    await room.person.reply(room.room_id, room.said()[-1].event_id, "research")
    assert await room.answers_of("Research", 1) == ["Echo: hello"]


async def test_the_agent_gets_the_messages_as_they_are_when_it_is_chosen(room: BotRoom) -> None:
    """Edits count, also of several versions; a redacted message is not asked; a thread is answered in it."""
    first = await room.say("wrnog")
    second = await room.say("secret")
    await room.person.edit(room.room_id, first, "wrong")
    await room.person.edit(room.room_id, first, "right")
    await room.person.redact(room.room_id, second)
    root = await room.say("root")
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
    await room.person.send(room.room_id, "m.room.message", {"msgtype": "m.text", "body": "inside"} | thread)
    await waiting(room, 4 + 2)
    await room.say("1")
    answers = await room.answers_of("Ada", 3)
    # The question in the thread has the root before it.
    (inside,) = [each for each in room.room.messages.values() if each.body.endswith("\n\ninside")]
    assert [answer for answer in answers if answer != inside.body] == ["Echo: right", "Echo: root"]
    assert inside.content["m.relates_to"]["event_id"] == root
    row = await room.running.database.row("SELECT count(*) AS n FROM turn WHERE payload::text LIKE '%secret%'")
    assert row is not None
    assert row["n"] == 0


async def test_a_message_that_became_a_command_is_not_asked(room: BotRoom) -> None:
    first = await room.say("help")
    await waiting(room, 1)
    second = await room.say("agent Bea")
    await waiting(room, 2)
    for event, text in ((first, "!ab help"), (first, "a message again"), (second, "!ab agent Bea")):
        before = len(room.said())
        await room.person.edit(room.room_id, event, text)
        if text.startswith("!ab"):
            await room.answer(before)
    assert await room.answers_of("Bea", 1) == ["Echo: a message again"]


async def test_the_first_of_two_choices_counts(room: BotRoom) -> None:
    await greeted(room, "hello")
    before = len(room.said())
    for line in ("2", "!ab agent 3"):
        await room.say(line)
    await room.person.wait_for(lambda: len(room.said()) == before + 2)
    told = [message.body for message in room.said()[before:]]
    assert told == ["Bea answers in this room from now on.", "You have chosen Research. This room stays with Bea."]
    assert await room.answers_of("Bea", 1) == ["Echo: hello"]
    ghost = room.running.homeserver.namespace.user_id((await room.running.contact("Research")).agent.ghost)
    assert ghost not in room.room.members()


async def test_an_old_number_shows_a_new_list(room: BotRoom) -> None:
    await greeted(room, "hello")
    await room.age_lists()
    assert (await room.ask("1")).body.startswith("A number counts for ten minutes")
    assert (await room.ask("9")).body == "The list has no number 9: it has 1 to 3."
    assert (await room.ask("1")).body == "Ada answers in this room from now on."
    # The numbers were choices and no messages.
    assert await room.answers_of("Ada", 1) == ["Echo: hello"]


@pytest.mark.long
async def test_a_full_room_takes_no_further_messages(room: BotRoom) -> None:
    await greeted(room, *(f"message {number}" for number in range(8)))
    assert (await room.ask("one too many")).body.startswith("This message was not accepted")
    await room.say("1")
    assert await room.answers_of("Ada", 8) == [f"Echo: message {number}" for number in range(8)]


async def test_a_ghost_that_is_invited_binds_the_room(harness: BridgeHarness, running: Running) -> None:
    """The person may invite where the bot may not."""
    async with harness.person() as person:
        await may_not_invite(await bot_room(running, person, power_level_content_override={"invite": 50}))


async def may_not_invite(room: BotRoom) -> None:
    await greeted(room, "hello")
    ghost = room.running.homeserver.namespace.user_id((await room.running.contact("Bea")).agent.ghost)
    answer = (await room.ask("2")).body
    assert answer == f"I cannot bring Bea into this room. Invite {ghost} here, and it answers."
    await room.person.invite(room.room_id, ghost)
    assert await room.answers_of("Bea", 1) == ["Echo: hello"]


async def test_people_among_themselves_are_left_alone(harness: BridgeHarness, running: Running, room: BotRoom) -> None:
    async with harness.person() as other:
        await room.person.invite(room.room_id, other.user_id)
        await other.join(room.room_id)
        await other.say(room.room_id, "hello")
        await room.say("hello")
        assert (await room.ask("!ab help agent")).body.startswith("!ab agent")
        assert len(room.said()) == 2
        group = await bot_room(running, room.person, invite=["@sharedbridge:test.local", other.user_id])
        assert "!ab help" in group.said()[0].body


async def test_messages_from_before_the_bot_joined_wait_too(harness: BridgeHarness, running: Running) -> None:
    async with harness.person() as person:
        room = await bot_room(running, person)
        room_id = await person.create_room(preset="private_chat", invite=[running.homeserver.namespace.bot])
        early = type(room)(running, person, room_id)
        for text in ("one", "two"):
            await early.say(text)
        await person.wait_for(lambda: len(early.said()) == 2)
        await early.settled()
        await early.say("3")
        assert await early.answers_of("Research", 2) == ["Echo: one", "Echo: two"]


@pytest.mark.long
async def test_the_first_agent_that_people_invite_answers_what_waited(room: BotRoom, harness: BridgeHarness) -> None:
    await greeted(room, "one", "two")
    edited = next(key for key, said in room.room.messages.items() if said.body == "two")
    await room.person.edit(room.room_id, edited, "two!")
    await waiting(room, 3)
    async with harness.person() as other:
        await room.person.invite(room.room_id, other.user_id)
        await other.join(room.room_id)
        # A room of several is a group: none of its agents has to be chosen.
        ada, bea = [await ghost_of(room.running, name) for name in NAMES[:2]]
        await room.person.invite(room.room_id, ada)
        assert await room.answers_of(NAMES[0], 2) == ["Echo: one", "Echo: two!"]
        await room.person.invite(room.room_id, bea)
        await room.person.wait_for(lambda: bea in room.room.members())
        await other.say(room.room_id, f"{NAMES[1]}, hello")
        assert await room.answers_of(NAMES[1], 1) == [f"Echo: {NAMES[1]}, hello"]
        assert await room.answers_of(NAMES[0], 2) == ["Echo: one", "Echo: two!"]


@pytest.mark.long
async def test_messages_go_on_to_wait_in_the_room_that_replaces_theirs(room: BotRoom) -> None:
    """With their edits and their order, ahead of the messages of the new room; a thread stays behind."""
    first = await room.say("wrnog")
    root = await room.say("root")
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
    await room.person.send(room.room_id, "m.room.message", {"msgtype": "m.text", "body": "inside"} | thread)
    gone = await room.say("secret")
    became = await room.say("help")
    await room.person.edit(room.room_id, first, "right")
    await room.person.redact(room.room_id, gone)
    await waiting(room, 5 + 1)
    before = len(room.said())
    await room.person.edit(room.room_id, became, "!ab help")
    await room.answer(before)
    new = BotRoom(room.running, room.person, await upgrade(room.person, room.room_id))
    await room.person.invite(new.room_id, room.running.homeserver.namespace.bot)
    await new.say("early")
    await room.person.wait_for(lambda: len(new.said()) == 2)
    await new.settled()
    greeting, listed = new.said()
    assert "choose the agent" in greeting.body
    assert listed.body.startswith("Which agent should answer in this room?")
    keycaps = [f"{number}\ufe0f\u20e3" for number in (1, 2, 3)]
    await room.person.wait_for(lambda: new.room.reactions_to(listed.event_id) == keycaps)
    await new.say("late")
    assert (await new.ask("2")).body == "Bea answers in this room from now on."
    echoes = [f"Echo: {text}" for text in ("right", "root", "inside", "early", "late")]
    assert await new.answers_of("Bea", 5) == echoes
    await room.settled()
    assert len(new.said()) == 3


@pytest.mark.long
async def test_without_the_bot_in_the_new_room_messages_wait_where_they_are(room: BotRoom) -> None:
    await greeted(room, "one")
    new = BotRoom(room.running, room.person, await upgrade(room.person, room.room_id))
    # The person who upgraded the room may still speak there.
    await room.say("two")
    await waiting(room, 2)
    assert len(room.said()) == 2
    await room.person.invite(new.room_id, room.running.homeserver.namespace.bot)
    await new.answer(1)
    await new.say("1")
    assert await new.answers_of("Ada", 2) == ["Echo: one", "Echo: two"]


async def test_a_room_that_only_claims_to_replace_another_one_gets_nothing(room: BotRoom) -> None:
    await greeted(room, "hello")
    claims = {"predecessor": {"room_id": room.room_id, "event_id": room.said()[0].event_id}}
    other = await bot_room(room.running, room.person, creation_content=claims)
    assert (await other.ask("1")).body.startswith("Which agent")
    await other.settled()
    await room.say("!ab agent Ada")
    assert await room.answers_of("Ada", 1) == ["Echo: hello"]


async def test_a_room_that_is_encrypted_is_told_once(running: Running, harness: BridgeHarness) -> None:
    state = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    secret = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}
    async with harness.person() as person:
        bot = running.homeserver.namespace.bot
        room_id = await person.create_room(preset="private_chat", invite=[bot], initial_state=[state])
        room = BotRoom(running, person, room_id)
        # One perhaps before the bot has joined, and one afterwards.
        messages = [await person.send(room_id, "m.room.encrypted", secret)]
        await person.wait_for(room.said)
        messages.append(await person.send(room_id, "m.room.encrypted", secret))
        await person.wait_for(lambda: all(room.room.reactions_to(each) == ["⚠️"] for each in messages))
        await room.settled()
        assert [each.body for each in room.said()] == [ENGLISH.encrypted]
