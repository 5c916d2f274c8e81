"""Rooms that the bridge encrypts by itself, and rooms whose messages it takes only encrypted."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from nio import JoinResponse, RoomCreateResponse, RoomPutStateResponse

from agent_bridge.core.polls import POLL_END
from agent_bridge.demo.synapse import free_port
from agent_bridge.matrix.rooms import ENCRYPTION
from support.api_client import program_of
from support.conditions import eventually
from support.encrypted_files import opened, send_file, shown_files
from support.encrypted_person import encrypted_person
from support.harness import DOMAIN, SHARED, new_harness
from support.mcp_client import tools_of
from support.recordings import wave_file
from support.scripted_upstream import ScriptedUpstream, Tool, says
from support.trigger_requests import secret_in, wake
from support.vote_rooms import VoteRoom, response

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
    async with ScriptedUpstream("ada", "bea", "cleo") as upstream:
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
            [
                {
                    "name": "u",
                    "url": upstream.url,
                    "api": "responses",
                    "speech_model": "tts-1",
                    "speech_voice": "nova",
                    "transcription_model": "whisper-1",
                }
            ],
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


@pytest.fixture(scope="module")
async def desk(running: Running, enid: EncryptedPerson) -> str:
    """The encrypted chat with the bot."""
    bot = running.homeserver.namespace.bot
    room_id = await enid.create_room(bot)
    await enid.meets(room_id, bot)
    return room_id


async def test_the_rooms_of_the_bridge_are_encrypted(
    running: Running, upstream: ScriptedUpstream, enid: EncryptedPerson, desk: str
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
    await enid.say(desk, "channel new sealed-general")
    await eventually(lambda: _has(enid, desk, "sealed-general is ready"), "there is a channel")
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


@pytest.fixture(scope="module")
async def chat(running: Running, upstream: ScriptedUpstream, enid: EncryptedPerson) -> tuple[str, str]:
    """An encrypted direct chat: its room and the ghost."""
    contact = await running.contact(upstream.names[2])
    ghost = running.homeserver.namespace.user_id(contact.agent.ghost)
    room_id = await enid.create_room(ghost)
    await enid.meets(room_id, ghost)
    return room_id, ghost


async def plain_kinds(enid: EncryptedPerson, room_id: str) -> set[str]:
    """Return the types of the events of a room that are no state and not encrypted."""
    return {each["type"] for each in await enid.raw(room_id) if "state_key" not in each} - {"m.room.encrypted"}


async def message_id(enid: EncryptedPerson, room_id: str, words: str) -> str:
    """Wait until a message has *words*; return its event id."""

    async def found() -> str | None:
        said = [each for each in enid.read.get(room_id, []) if words in each.source["content"].get("body", "")]
        return said[0].event_id if said else None

    return await eventually(found, f"a message says {words!r}")


async def test_a_reaction_decides_about_a_tool(
    upstream: ScriptedUpstream, enid: EncryptedPerson, chat: tuple[str, str]
) -> None:
    room_id, ghost = chat
    upstream.mcp.guarded, upstream.mcp.decisions = {"Bash"}, []
    upstream.scripts.append(says("I look. ", Tool("Bash", '{"command": "ls"}'), "Done."))
    await enid.say(room_id, "look, please")
    card = await message_id(enid, room_id, "wants to use")
    await enid.send(
        room_id, "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": card, "key": "✅"}}
    )
    await enid.hears(room_id, ghost, "allowed")
    await enid.hears(room_id, ghost, "Done.")
    assert upstream.mcp.verdicts == ["allow"]
    assert await plain_kinds(enid, room_id) <= {"m.reaction", "m.room.redaction"}
    assert not enid.unread.get(room_id)


async def test_a_question_by_voice_is_answered_by_voice(
    upstream: ScriptedUpstream, enid: EncryptedPerson, chat: tuple[str, str]
) -> None:
    room_id, ghost = chat
    await send_file(enid, room_id, wave_file(0.2), "audio/wav", "question.wav", voice=True)
    (voice,) = await shown_files(enid, room_id, ghost, 1)
    assert upstream.heard[-1][:4] == b"RIFF"
    assert (voice["msgtype"], "org.matrix.msc3245.voice" in voice) == ("m.audio", True)
    assert "url" not in voice
    assert (await opened(enid, voice["file"]))[:4] == b"OggS"
    await enid.hears(room_id, ghost, "what was said")
    assert not await plain_kinds(enid, room_id) - {"m.reaction", "m.room.redaction"}


@pytest.mark.long
async def test_a_channel_is_encrypted(
    running: Running, upstream: ScriptedUpstream, enid: EncryptedPerson, desk: str
) -> None:
    """An agent answers there, a program writes and reads, a trigger wakes the agent, and people vote."""
    agent = upstream.names[0]
    ghost = running.homeserver.namespace.user_id((await running.contact(agent)).agent.ghost)
    await enid.say(desk, "channel new sealed-talk")
    ready = await message_id(enid, desk, "sealed-talk is ready")
    (content,) = [each.source["content"] for each in enid.read[desk] if each.event_id == ready]
    link = re.search(r"https://matrix\.to/#/(![^?\"]+)", unquote(content["formatted_body"]))
    assert link is not None
    room_id = link[1]
    await enter(enid, room_id)
    await enid.meets(room_id, BOT)
    await enid.say(desk, f"channel add sealed-talk {agent}")
    await enid.meets(room_id, ghost)
    await enid.say(room_id, "to all", **{"m.mentions": {"user_ids": [ghost]}})
    await enid.hears(room_id, ghost, "to all")
    await _program(running, enid, room_id, ghost)
    await _trigger(enid, desk, room_id, agent, ghost)
    await _vote(running, enid, room_id)
    assert await plain_kinds(enid, room_id) <= {"m.reaction", "m.room.redaction"}
    assert not enid.unread.get(room_id)


async def _program(running: Running, enid: EncryptedPerson, room_id: str, ghost: str) -> None:
    program = await program_of(running, enid.user_id)
    sent = await program.send(room_id, "from a program")
    assert sent.status == 200, sent.content
    await enid.hears(room_id, BOT, "from a program")
    path = f"/v1/rooms/{room_id}/messages"
    edited = await program.request("PUT", f"{path}/{sent['event_id']}", body={"text": "from a program, again"})
    assert edited.status == 200, edited.content
    await enid.hears(room_id, BOT, "from a program, again")
    listed = (await program.get(path))["messages"]
    assert ("from a program, again", True) in [(each["text"], each["edited"]) for each in listed]
    found = (await program.get("/v1/search", q="from a program"))["messages"]
    assert sent["event_id"] in [each["event_id"] for each in found]
    async with tools_of(program) as tools:
        read = await tools.call("read", room=room_id)
        assert "from a program, again" in [each["text"] for each in read["messages"]]
        asked = await tools.call("ask", to=room_id, text=f"{ghost} by a tool")
        assert [each["status"] for each in asked["answers"]] == ["answered"]
    await enid.hears(room_id, ghost, "by a tool")
    # As a hook of a coding agent: the first event makes the channel.
    posted = await program.post("/v1/rooms/-/events", kind="session_summary", data={"summary": "all is done"}, wait=20)
    assert posted.status == 200, posted.content
    (event,) = (await program.get("/v1/rooms/agent-logs/events"))["events"]
    assert (event["event_id"], event["data"]) == (posted["event_id"], {"summary": "all is done"})
    sent_as, _ = await running.homeserver.messages(posted["room_id"], limit=50, as_sent=True)
    assert [each["type"] for each in sent_as if each["event_id"] == posted["event_id"]] == ["m.room.encrypted"]


async def _trigger(enid: EncryptedPerson, desk: str, room_id: str, agent: str, ghost: str) -> None:
    await enid.say(room_id, f"!ab trigger new @{agent} nightly build")
    told = await message_id(enid, desk, "/v1/triggers/callback/")
    (body,) = [each.source["content"]["body"] for each in enid.read[desk] if each.event_id == told]
    secret = secret_in(body)
    assert secret is not None
    status, _ = await wake(secret, "the build is done")
    assert status == 202
    await enid.hears(room_id, BOT, "the build is done")
    await enid.hears(room_id, ghost, "the build is done")


async def _vote(running: Running, enid: EncryptedPerson, room_id: str) -> None:
    votes = VoteRoom(running.homeserver, room_id)
    await enid.say(room_id, '!ab vote new "Lunch?" pizza | pasta')
    poll = await votes.poll("Lunch?")
    await enid.send(room_id, *response(poll, "2"))
    undone = await enid.send(room_id, *response(poll, "1"))
    await enid.client.room_redact(room_id, undone)
    await enid.say(room_id, "!ab votes")
    await enid.hears(room_id, BOT, "pizza: 0 votes")
    await enid.send(room_id, *response(poll, "2"))
    await enid.send(room_id, POLL_END, {POLL_END: {}, "m.relates_to": {"rel_type": "m.reference", "event_id": poll}})
    assert await votes.votes(poll) == [0, 1]


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
