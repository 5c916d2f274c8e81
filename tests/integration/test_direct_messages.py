"""People begin direct chats with the ghosts of agents."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from support.bot_rooms import NAMES, named_upstream
from support.chat_rooms import linked_room
from support.direct_chats import begin, direct_chat
from support.harness import SHARED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server
    from support.scripted_upstream import ScriptedUpstream

ADA, BEA, RESEARCH = NAMES
#: One bridge serves all of these tests.
pytestmark = pytest.mark.xdist_group("integration/test_direct_messages")


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with named_upstream(*NAMES) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    """A bridge with three agents."""
    with postgres.migrated() as url:
        there = {"name": "scripted", "url": upstream.url, "poll_interval": 60}
        async with harness.bridge(harness.config(url, [there], service=SHARED)) as running:
            for name in NAMES:
                await running.contact(name)
            yield running


@pytest.fixture
async def person(harness: BridgeHarness) -> AsyncIterator[Person]:
    async with harness.person() as person:
        yield person


async def test_a_ghost_joins_and_answers_the_messages_from_before(
    running: Running, person: Person, upstream: ScriptedUpstream
) -> None:
    upstream.asked.clear()
    chat = await begin(running, person, ADA)
    await chat.say("first")
    await chat.say("second")
    assert len(await chat.answers(2)) == 2
    assert [each["messages"][-1]["content"] for each in upstream.asked] == ["first", "second"]
    row = await chat.synced()
    assert (row["kind"], row["person"], row["bot_joined"]) == ("dm", person.user_id, False)
    assert chat.room.members() == {person.user_id, chat.ghost}
    assert chat.room.name is None
    assert await chat.direct_rooms() == [chat.room_id]


async def test_the_ghost_speaks_for_the_bridge(running: Running, person: Person, upstream: ScriptedUpstream) -> None:
    chat = await direct_chat(running, person, BEA)
    assert "ab help" in (await chat.ask("!ab help")).body
    # The room is the person's own: words behind ! are for the agent.
    upstream.asked.clear()
    await chat.ask("!help me")
    assert upstream.asked[-1]["messages"][-1]["content"] == "!help me"


async def test_a_second_direct_chat_is_answered_with_a_link_to_the_first(running: Running, person: Person) -> None:
    first = await direct_chat(running, person, ADA)
    second = await begin(running, person, ADA)
    reply = (await person.wait_for(second.said))[0]
    assert linked_room(reply.html) == first.room_id
    await person.wait_for(lambda: second.room.members() == {person.user_id})
    assert len(second.said()) == 1
    # Another agent has a direct chat of its own.
    assert (await direct_chat(running, person, BEA)).room_id != first.room_id


async def test_a_direct_chat_ends_when_its_person_leaves(running: Running, person: Person) -> None:
    first = await direct_chat(running, person, ADA)
    await person.leave(first.room_id)
    await first.ended()
    assert await first.direct_rooms() == []
    second = await direct_chat(running, person, ADA)
    await second.say("hello")
    assert len(await second.answers(1)) == 1


async def test_of_two_invitations_at_once_one_becomes_the_direct_chat(running: Running, person: Person) -> None:
    chats = await asyncio.gather(begin(running, person, ADA), begin(running, person, ADA))
    left = await person.wait_for(lambda: [chat for chat in chats if chat.said()])
    (kept,) = [chat for chat in chats if chat not in left]
    assert linked_room(left[0].said()[0].html) == kept.room_id
    await kept.say("hello")
    assert len(await kept.answers(1)) == 1


async def test_an_encrypted_direct_chat_is_replaced_by_a_plain_one(running: Running, person: Person) -> None:
    encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    secret = await begin(running, person, RESEARCH, initial_state=[encryption])
    told = (await person.wait_for(secret.said))[0]
    plain = linked_room(told.html)
    await person.wait_for(lambda: plain in person.invites)
    await person.wait_for(lambda: secret.room.members() == {person.user_id})
    assert len(secret.said()) == 1
    await person.join(plain)
    await person.wait_for(lambda: plain in person.rooms)
    room = person.room(plain)
    assert (room.name, room.alias) == (None, None)
    assert room.members() == {person.user_id, secret.ghost}
    await person.say(plain, "hello")
    await person.wait_for(lambda: room.said_by(secret.ghost))
