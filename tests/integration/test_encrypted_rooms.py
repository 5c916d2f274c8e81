"""Rooms that the bridge encrypts by itself, and rooms whose messages it takes only encrypted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from nio import JoinResponse, RoomCreateResponse, RoomPutStateResponse

from agent_bridge.demo.synapse import free_port
from agent_bridge.matrix.rooms import ENCRYPTION
from support.api_client import program_of
from support.conditions import eventually
from support.encrypted_person import encrypted_person
from support.harness import DOMAIN, SHARED, new_harness
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.encrypted_person import EncryptedPerson
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}
BOT = f"@sharedbridge:{DOMAIN}"


@pytest.fixture(scope="module")
async def harness() -> AsyncIterator[BridgeHarness]:
    """A homeserver of its own: a lobby of other tests would be adopted as it is, and a channel stays behind."""
    async with new_harness() as harness:
        yield harness


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("ada", "bea") as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def enid(harness: BridgeHarness, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EncryptedPerson]:
    async with encrypted_person(harness, tmp_path_factory.mktemp("enid")) as enid:
        yield enid


@pytest.fixture(scope="module")
async def running(
    harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream, enid: EncryptedPerson
) -> AsyncIterator[Running]:
    with postgres.migrated() as url:
        config = harness.config(
            url,
            [{"name": "u", "url": upstream.url}],
            service=SHARED,
            encryption={"allow": True, "require": True},
            permissions={DOMAIN: "member", enid.user_id: "admin"},
            rooms={"introduce": True, "lobby": True, "invite": [enid.user_id]},
            space={},
            api={"port": free_port()},
        )
        async with harness.bridge(config) as running:
            yield running


async def is_encrypted(running: Running, room_id: str, user: str | None = None) -> bool:
    event = await running.homeserver.state(room_id, ENCRYPTION, as_user=user)
    return event is not None and event["content"] == MEGOLM


async def enter(enid: EncryptedPerson, room_id: str) -> None:
    answer = await enid.client.join(room_id)
    assert isinstance(answer, JoinResponse), answer
    await eventually(lambda: _in(enid, room_id), "the room is there")


async def bot_room(enid: EncryptedPerson) -> str:
    room_id = await enid.create_room(BOT)
    await enid.meets(room_id, BOT)
    return room_id


async def test_the_rooms_of_the_bridge_are_encrypted(
    running: Running, upstream: ScriptedUpstream, enid: EncryptedPerson
) -> None:
    contact = await running.contact(upstream.names[0])
    names = running.homeserver.namespace
    home, ghost = contact.home.room_id or "", names.user_id(contact.agent.ghost)
    assert await is_encrypted(running, home)
    for localpart, expected in ((names.lobby_alias_localpart, True), (names.space_alias_localpart, False)):
        alias = names.alias(localpart)
        room_id = await eventually(partial(running.homeserver.resolve_alias, alias), f"there is {alias}")
        assert await is_encrypted(running, room_id) is expected
    await eventually(lambda: _is_invited(running, home, enid), "the person is invited")
    await enter(enid, home)
    await eventually(lambda: _has(enid, home, f"I am {upstream.names[0]}"), "the agent introduces itself")
    await enid.meets(home, ghost)
    await enid.say(home, "hello")
    await enid.hears(home, ghost, "Echo: hello")
    # A direct chat of the person, that a program begins; and a chat.
    program = await program_of(running, enid.user_id)
    direct = (await program.post("/v1/direct", to=upstream.names[0]))["room_id"]
    assert await is_encrypted(running, direct, ghost)
    await enter(enid, direct)
    await enid.meets(direct, ghost)
    await enid.say(direct, "in private")
    await enid.hears(direct, ghost, "Echo: in private")
    chat = (await program.post("/v1/chats", agent=upstream.names[0]))["room_id"]
    assert await is_encrypted(running, chat, ghost)
    await enter(enid, chat)
    await enid.meets(chat, ghost)
    await enid.say(chat, "in a chat")
    await enid.hears(chat, ghost, "Echo: in a chat")
    assert not any(enid.unread.values())
    desk = await bot_room(enid)
    await enid.say(desk, "channel new general")
    await eventually(lambda: _has(enid, desk, "general is ready"), "there is a channel")
    await enid.say(desk, "repair")
    await eventually(lambda: _has(enid, desk, "There are no differences"), "nothing is to be repaired")
    await enid.say(desk, "status")
    await eventually(lambda: _has(enid, desk, "homeserver"), "there is a status")
    assert not [each for each in enid.bodies(desk, BOT) if "encrypted" in each]


async def test_plain_messages_are_refused_once_a_day(
    running: Running, upstream: ScriptedUpstream, enid: EncryptedPerson
) -> None:
    ghost = running.homeserver.namespace.user_id((await running.contact(upstream.names[1])).agent.ghost)
    answer = await enid.client.room_create(is_direct=True, invite=[ghost])
    assert isinstance(answer, RoomCreateResponse), answer
    room_id = answer.room_id
    await eventually(lambda: _in(enid, room_id), "the room is there")
    await enid.say(room_id, "hello")
    refusal = "I answer encrypted messages only."
    await eventually(lambda: _has(enid, room_id, refusal), "the message is refused")
    second = await enid.say(room_id, "!ab help")
    await eventually(lambda: _is_marked(running, room_id, second, ghost), "the second one gets a mark")
    assert len([each for each in enid.bodies(room_id, ghost) if refusal in each]) == 1
    put = await enid.client.room_put_state(room_id, ENCRYPTION, MEGOLM)
    assert isinstance(put, RoomPutStateResponse), put
    await enid.meets(room_id, ghost)
    await enid.say(room_id, "hello again")
    await enid.hears(room_id, ghost, "Echo: hello again")
    assert upstream.questions[-1] == "hello again"


async def _in(enid: EncryptedPerson, room_id: str) -> bool:
    return room_id in enid.client.rooms


async def _has(enid: EncryptedPerson, room_id: str, words: str) -> bool:
    said = [each.source["content"].get("body", "") for each in enid.read.get(room_id, [])]
    return any(words in each for each in said)


async def _is_marked(running: Running, room_id: str, event_id: str, ghost: str) -> bool:
    found: list[dict[str, Any]] = await running.homeserver.annotations(room_id, event_id, ghost)
    return any(each["content"]["m.relates_to"]["key"] == "⚠️" for each in found)


async def _is_invited(running: Running, room_id: str, enid: EncryptedPerson) -> bool:
    return await running.homeserver.membership(room_id, enid.user_id) == "invite"
