"""People invite the ghosts of agents into their rooms."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agent_bridge.commands.lookup import MessageReference
from agent_bridge.core.rooms import WhenBusy
from agent_bridge.store.rooms import Rooms
from support.bot_rooms import NAMES, bot_chat, named_upstream
from support.conditions import eventually
from support.direct_chats import direct_chat, ghost_of, upgrade
from support.groups import Group, group
from support.harness import DOMAIN, SHARED
from support.scripted_upstream import own_words, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server
    from support.scripted_upstream import ScriptedUpstream

ADA, BEA, RESEARCH = NAMES
STRANGER = f"@stranger:{DOMAIN}"
_ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
#: One bridge serves all of these tests.
pytestmark = pytest.mark.xdist_group("integration/test_groups")


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with named_upstream(*NAMES) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    """A bridge with three agents."""
    with postgres.migrated() as url:
        there = {"name": "scripted", "url": upstream.url, "poll_interval": 60}
        permissions = {DOMAIN: "member", f"@admin:{DOMAIN}": "admin", STRANGER: "none"}
        config = harness.config(url, [there], service=SHARED, permissions=permissions)
        async with harness.bridge(config) as running:
            for name in NAMES:
                await running.contact(name)
            yield running


@pytest.fixture
async def one(harness: BridgeHarness) -> AsyncIterator[Person]:
    async with harness.person() as person:
        yield person


@pytest.fixture
async def two(harness: BridgeHarness) -> AsyncIterator[Person]:
    async with harness.person() as person:
        yield person


async def enter(person: Person, room: Group) -> None:
    await person.join(room.room_id)
    await person.wait_for(lambda: room.room_id in person.rooms)


def notices(room: Group) -> list[str]:
    """Return the notices of the ghosts."""
    said = [each for ghost in room.ghosts.values() for each in room.room.said_by(ghost)]
    return [each.body for each in said if each.content["msgtype"] == "m.notice"]


async def command(room: Group, text: str, person: Person | None = None) -> str:
    """Give a command in the room; return the reply of the ghost that speaks for the bridge."""
    before = len(notices(room))
    await (person or room.person).say(room.room_id, f"!ab {text}")
    await room.person.wait_for(lambda: len(notices(room)) > before)
    return notices(room)[-1]


async def test_a_ghost_alone_with_a_person_answers_everything(running: Running, one: Person) -> None:
    ghost = await ghost_of(running, ADA)
    room = Group(running, one, await one.create_room(preset="private_chat", invite=[ghost]), {ADA: ghost})
    # Before the ghost joined.
    await room.say("hello")
    await room.see(ADA, "Echo: hello")
    assert (await room.synced(people=1))["kind"] == "group"
    assert "every message" in await command(room, "answer")
    # The bridge bot is no further person.
    await one.invite(room.room_id, running.homeserver.namespace.bot)
    await room.synced(people=1, bot_joined=True)
    await room.say("and now?")
    await one.wait_for(lambda: room.said_by(ADA)[-1] == "Echo: and now?")


async def test_agents_among_several_answer_those_who_address_them(running: Running, one: Person, two: Person) -> None:
    room = await group(running, one, ADA, BEA, others=(two.user_id,))
    await enter(two, room)
    await room.say("what do you think?")
    await room.tell("both?", ADA, BEA)
    await room.tell("you?", BEA, person=two)
    await room.see(ADA, "Echo: both?")
    await room.see(BEA, "Echo: both?", "Echo: you?")
    # A third ghost enters a room that is known, and answers what is said since its invitation.
    ghost = await ghost_of(running, RESEARCH)
    room.ghosts[RESEARCH] = ghost
    await one.invite(room.room_id, ghost)
    await room.tell("all of you", ADA, RESEARCH)
    await room.see(RESEARCH, "Echo: all of you")
    await room.see(ADA, "Echo: both?", "Echo: all of you")
    # Two people: one agent alone answers no more than what is for it.
    assert (await room.synced(people=2))["kind"] == "group"


@pytest.mark.long
async def test_people_choose_what_an_agent_answers(running: Running, one: Person, two: Person) -> None:
    room = await group(running, one, ADA, BEA, others=(two.user_id,))
    await enter(two, room)
    refused = await command(room, "answer always Ada", two)
    assert "moderators of the room" in refused
    assert "write the name of one" in await command(room, "answer always")
    assert "every message" in await command(room, "answer always Ada")
    assert "does not answer" in await command(room, "answer off Bea")
    assert await command(room, "answer off Research") == f"{RESEARCH} is not in this room."
    shown = await command(room, "answer")
    assert "Ada answers every" in shown
    assert "Bea does not answer" in shown
    count = len(room.said_by(ADA))
    first = await two.say(room.room_id, "for anyone")
    await two.send(
        room.room_id,
        "m.room.message",
        {"msgtype": "m.text", "body": "for one", "m.mentions": {"user_ids": [one.user_id]}},
    )
    off = await room.tell("and you?", BEA)
    last = await two.say(room.room_id, "last")
    await one.wait_for(lambda: "Echo: last" in room.said_by(ADA))
    await room.settled()
    assert room.said_by(ADA)[count:] == ["Echo: for anyone", "Echo: last"]
    assert not [text for text in room.said_by(BEA) if text.startswith("Echo")]
    assert first != last
    silent = await running.bridge.traces.find(MessageReference(off, room.room_id))
    assert "answer off" in running.bridge.renderer.render(silent)


@pytest.mark.long
async def test_people_with_power_moderate_their_room(running: Running, one: Person, two: Person) -> None:
    room = await group(running, one, ADA, others=(two.user_id,))
    await enter(two, room)
    for line, does in {
        "reset": "starts afresh",
        "busy collect": "one answer",
        "instructions Be brief": "from now on",
    }.items():
        assert "for moderators of the room only" in await command(room, line, two)
        assert does in await command(room, line)


@pytest.mark.long
async def test_messages_that_several_people_sent_meanwhile_keep_their_names(
    running: Running, one: Person, two: Person, upstream: ScriptedUpstream
) -> None:
    room = await group(running, one, ADA, BEA, others=(two.user_id,))
    await enter(two, room)
    assert await Rooms(running.database).set_when_busy(room.room_id, WhenBusy.COLLECT)
    gate = asyncio.Event()
    upstream.scripts.append(waits_for(gate, "first ", "answer"))
    await room.tell("first", ADA)
    await one.wait_for(lambda: room.said_by(ADA))
    events = [await room.tell(f"question {n}", ADA, person=who) for n, who in enumerate((one, two, one))]

    async def waits() -> bool:
        return bool(await running.database.rows("SELECT 1 FROM turn WHERE event_id = %s", (events[-1],)))

    await eventually(waits, "the last one waits")
    gate.set()
    await room.see(ADA, "first answer", "Echo: question 2")
    names = [person.user_id[1:].partition(":")[0] for person in (one, two, one)]
    assert upstream.questions[-1] == "\n\n".join(f"{name}: question {n}" for n, name in enumerate(names))


@pytest.mark.long
async def test_an_edit_addresses_a_message_to_other_agents(
    running: Running, one: Person, upstream: ScriptedUpstream
) -> None:
    room = await group(running, one, ADA, BEA, RESEARCH)

    async def edit(event: str, text: str, *users: str) -> str:
        new = {"msgtype": "m.text", "body": text, "m.mentions": {"user_ids": [*users]}}
        relation = {"rel_type": "m.replace", "event_id": event}
        return await one.send(room.room_id, "m.room.message", new | {"m.new_content": new, "m.relates_to": relation})

    async def answers(*texts: list[str]) -> None:
        """Wait until no turn is open, and the agents have said *texts*."""
        await one.wait_for(lambda: [room.said_by(agent) for agent in room.ghosts] == [*texts])
        await room.settled()

    ada, bea = room.ghosts[ADA], room.ghosts[BEA]
    root = await room.say("a thread")
    thread = {"rel_type": "m.thread", "event_id": root}
    content = {"msgtype": "m.text", "body": "one", "m.mentions": {"user_ids": [ada]}, "m.relates_to": thread}
    first = await one.send(room.room_id, "m.room.message", content)
    await answers(["Echo: one"], [], [])
    # To another agent: the answer that there is stays.
    await edit(first, "two", bea)
    await answers(["Echo: one"], ["Echo: two"], [])
    assert room.messages_of(BEA)[-1].content["m.relates_to"]["event_id"] == root
    # To both, and to those that have it.
    await edit(first, "three", ada, bea)
    await answers(["Echo: three"], ["Echo: three"], [])
    await edit(first, "four")
    await answers(["Echo: four"], ["Echo: four"], [])
    # To a person.
    last = await edit(first, "five", STRANGER)
    asked = len(upstream.asked)
    # An answer that is being given ends, but not that of another agent.
    gate = asyncio.Event()
    upstream.scripts += [waits_for(gate, "begun ", "and ended")] * 2
    second = await room.tell("six", ADA, RESEARCH)
    await one.wait_for(lambda: [*map(len, map(room.said_by, room.ghosts))] == [2, 1, 1])
    story = await running.bridge.traces.find(MessageReference(last, room.room_id))
    assert "one for others" in running.bridge.renderer.render(story)
    await edit(second, "seven", bea, room.ghosts[RESEARCH])
    await answers(["Echo: four", "begun\n\n*(stopped)*"], ["Echo: four", "Echo: seven"], ["Echo: seven"])
    assert len(upstream.asked) == asked + 4


async def test_a_thread_in_which_people_talk_with_each_other(running: Running, one: Person, two: Person) -> None:
    room = await group(running, one, ADA, BEA, others=(two.user_id,))
    await enter(two, room)
    root = await room.tell("begin", ADA)
    await room.see(ADA, "Echo: begin")

    async def within(text: str, *users: str) -> None:
        relation = {"rel_type": "m.thread", "event_id": root}
        content = {"msgtype": "m.text", "body": text, "m.relates_to": relation, "m.mentions": {"user_ids": [*users]}}
        await two.send(room.room_id, "m.room.message", content)

    await within("a question", room.ghosts[ADA])
    await within("only for you", one.user_id)
    await within("go on")
    await one.wait_for(lambda: "Echo: go on" in room.said_by(ADA))
    await room.settled()
    assert room.said_by(ADA) == ["Echo: begin", "Echo: a question", "Echo: go on"]


async def test_a_stranger_is_declined_and_warned_of_once(
    running: Running, harness: BridgeHarness, one: Person, two: Person, upstream: ScriptedUpstream
) -> None:
    async with harness.person("stranger") as stranger:
        ghost = await ghost_of(running, ADA)
        closed = await stranger.create_room(preset="private_chat", invite=[ghost])
        await stranger.wait_for(lambda: ghost in stranger.room(closed).members("leave"))
        room = await group(running, one, ADA, BEA, others=(STRANGER,))
        await room.synced(people=1, warned=False)
        await enter(stranger, room)
        await room.synced(people=2, warned=True)

        def warnings() -> list[str]:
            said = [each for name in room.ghosts for each in room.said_by(name)]
            return [text for text in said if "without access" in text]

        await one.wait_for(warnings)
        asked = len(upstream.asked)
        await stranger.send(
            room.room_id, "m.room.message", {"msgtype": "m.text", "body": "x", "m.mentions": {"user_ids": [ghost]}}
        )
        await stranger.leave(room.room_id)
        await room.synced(people=1)
        await one.invite(room.room_id, STRANGER)
        await one.invite(room.room_id, two.user_id)
        await enter(stranger, room)
        await enter(two, room)
        await room.synced(people=3)
        await room.settled()
        assert len(warnings()) == 1
        assert len(upstream.asked) == asked


@pytest.mark.long
async def test_an_agent_that_people_remove_comes_back_with_an_invitation(running: Running, one: Person) -> None:
    room = await group(running, one, ADA, BEA)
    ada = room.ghosts[ADA]
    await one.ask("POST", f"/rooms/{room.room_id}/kick", {"user_id": ada})

    async def state(expected: str) -> bool:
        return (await room.participants())[ada] == expected

    await eventually(partial(state, "left"), "the agent has left")
    await room.tell("are you there?", ADA)
    await one.invite(room.room_id, ada)
    await eventually(partial(state, "joined"), "the agent is back")
    await room.tell("and now?", ADA)
    await room.see(ADA, "Echo: and now?")
    # All of them.
    for ghost in room.ghosts.values():
        await one.ask("POST", f"/rooms/{room.room_id}/ban", {"user_id": ghost})
    await room.synced(people=0)
    assert {*(await room.participants()).values()} == {"left"}


@pytest.mark.long
async def test_an_agent_is_removed_while_it_answers(running: Running, one: Person, upstream: ScriptedUpstream) -> None:
    room = await group(running, one, ADA, BEA)
    ada = room.ghosts[ADA]
    gate = asyncio.Event()
    upstream.scripts.append(waits_for(gate, "This is a whole sentence.", " And its end."))
    await room.tell("go on", ADA)
    await one.wait_for(lambda: room.said_by(ADA))
    with capture_logs() as logs:
        await one.ask("POST", f"/rooms/{room.room_id}/kick", {"user_id": ada})
        await one.wait_for(lambda: ada not in room.room.members())
        # Its turn is closed, and the worker of the turn learns it at the end of the answer.
        await room.settled()
        gate.set()
        await one.invite(room.room_id, ada)
        await one.wait_for(lambda: ada in room.room.members())
        await room.tell("and now?", ADA)
        await room.see(ADA, "This is a whole sentence.", "Echo: and now?")
    # It is the ordinary course, and no fault.
    assert not [line for line in logs if line["log_level"] in {"warning", "error"}]


async def test_a_room_without_people_is_left(running: Running, one: Person) -> None:
    room = await group(running, one, ADA, BEA, preset="public_chat")
    await room.tell("hello", ADA)
    await room.see(ADA, "Echo: hello")
    await one.leave(room.room_id)

    async def forgotten() -> bool:
        return await room.row() is None

    await eventually(forgotten, "the bridge has forgotten the room")
    for ghost in room.ghosts.values():
        assert await running.homeserver.room_state(room.room_id, ghost) is None


@pytest.mark.parametrize(
    "invited", [pytest.param(True, id="invited"), pytest.param(False, id="open", marks=pytest.mark.long)]
)
async def test_agents_follow_an_upgrade(running: Running, one: Person, *, invited: bool) -> None:
    room = await group(running, one, ADA, BEA, preset="private_chat" if invited else "public_chat")
    await command(room, "answer always Ada")
    new = await upgrade(one, room.room_id, *(room.ghosts.values() if invited else ()))
    moved = Group(running, one, new, room.ghosts)
    await one.wait_for(lambda: moved.room.members() >= {*room.ghosts.values()})
    await moved.synced(kind="group")
    assert await room.row() is None
    assert await moved.participants() == dict.fromkeys(room.ghosts.values(), "joined")
    await moved.say("still here?")
    await moved.see(ADA, "Echo: still here?")


@pytest.mark.long
async def test_agents_get_what_was_said_before_an_upgrade(
    running: Running, harness: BridgeHarness, one: Person, two: Person, upstream: ScriptedUpstream
) -> None:
    room = await group(running, one, ADA, BEA, others=(two.user_id,))
    await enter(two, room)
    await room.tell("first", ADA)
    await room.see(ADA, "Echo: first")
    await room.tell("first of Bea", BEA)
    await room.see(BEA, "Echo: first of Bea")
    await two.say(room.room_id, "the number is seven")
    new = await upgrade(one, room.room_id, *room.ghosts.values(), two.user_id)
    moved = Group(running, one, new, room.ghosts)
    await enter(two, moved)
    await one.wait_for(lambda: moved.room.members() >= {*room.ghosts.values(), two.user_id})
    await moved.synced(kind="group", people=2)
    await one.say(new, "the colour is red")
    await moved.tell("which number?", ADA)
    await moved.see(ADA, "Echo: which number?")
    heard = upstream.questions[-1].split("\n\n")
    assert [text.partition(": ")[2] for text in heard] == [
        "first of Bea",
        "Echo: first of Bea",
        "the number is seven",
        "the colour is red",
        "which number?",
    ]
    await moved.tell("and again?", ADA)
    await moved.see(ADA, "Echo: which number?", "Echo: and again?")
    assert own_words(upstream.questions[-1]) == "and again?"
    assert "seven" not in upstream.questions[-1]
    # A person who was not in the earlier room brings nothing of it.
    async with harness.person() as late:
        await one.invite(new, late.user_id)
        await enter(late, moved)
        await moved.synced(people=3)
        await moved.tell("and I?", BEA, person=late)
        await moved.see(BEA, "Echo: and I?")
    assert "seven" not in upstream.questions[-1]
    assert "red" in upstream.questions[-1]


async def test_an_encrypted_room_is_told_once(running: Running, one: Person) -> None:
    room = await group(running, one, ADA, BEA, initial_state=[_ENCRYPTION])
    await one.wait_for(lambda: notices(room))
    await room.settled()
    (told,) = notices(room)
    assert "encrypt" in told
    await one.send(room.room_id, "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"})
    await one.wait_for(lambda: len(notices(room)) == 2)
    assert {*room.ghosts.values()} <= room.room.members()


async def test_a_ghost_in_the_chat_with_the_bot_says_where_it_answers(running: Running, one: Person) -> None:
    chat = await bot_chat(running, one)
    ghost = await ghost_of(running, ADA)
    await one.invite(chat.room_id, ghost)
    await one.wait_for(lambda: chat.room.said_by(ghost))
    await one.wait_for(lambda: ghost in chat.room.members("leave"))
    assert "in my own room" in chat.room.said_by(ghost)[0].body


async def test_the_bot_enters_a_group_later(running: Running, one: Person) -> None:
    room = await group(running, one, ADA, BEA)
    bot = running.homeserver.namespace.bot
    await one.invite(room.room_id, bot)
    await one.wait_for(lambda: room.room.said_by(bot))
    assert (await room.synced(bot_joined=True))["kind"] == "group"
    await room.tell("hello", BEA)
    await room.see(BEA, "Echo: hello")


@pytest.mark.long
async def test_a_guest_in_a_direct_chat_answers_what_is_for_it(running: Running, one: Person) -> None:
    chat = await direct_chat(running, one, ADA)
    room = Group(running, one, chat.room_id, {ADA: chat.ghost, BEA: await ghost_of(running, BEA)})
    bea = room.ghosts[BEA]
    await one.invite(room.room_id, bea)
    await one.wait_for(lambda: bea in room.room.members())
    await room.say("hello")
    await room.tell("and you?", BEA)
    await room.see(ADA, "Echo: hello")
    await room.see(BEA, "Echo: and you?")
    row = await chat.synced()
    assert (row["kind"], row["person"]) == ("dm", one.user_id)
    await one.ask("POST", f"/rooms/{room.room_id}/kick", {"user_id": bea})

    async def is_out() -> bool:
        return (await room.participants())[bea] == "left"

    await eventually(is_out, "the guest has left")
    await one.invite(room.room_id, bea)
    await one.wait_for(lambda: bea in room.room.members())
    await one.leave(room.room_id)
    await chat.ended()
    assert await running.homeserver.room_state(room.room_id, bea) is None
