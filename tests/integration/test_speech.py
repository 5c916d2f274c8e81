"""Answers are read aloud: voice messages behind the text, by the wish of people, once; failures leave the text."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support.conditions import eventually
from support.groups import group
from support.harness import SHARED
from support.recordings import wave_file
from support.scripted_upstream import ScriptedUpstream, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person
    from support.postgres import Server as PostgresServer

pytest.importorskip("av")
#: An agent whose server has no voice.
SILENT = "silent"
_VOICE: dict[str, Any] = {"org.matrix.msc3245.voice": {}}


@dataclass
class House:
    """A bridge, and agents with voices, each for one test."""

    harness: BridgeHarness
    running: Running
    upstream: ScriptedUpstream
    used: int = 0

    def next_agent(self) -> str:
        self.used += 1
        return self.upstream.names[self.used - 1]


@pytest.fixture(scope="module")
async def house(harness: BridgeHarness, postgres: PostgresServer) -> AsyncIterator[House]:
    with postgres.migrated() as url:
        async with ScriptedUpstream(*(f"voice{number}x" for number in range(16)), SILENT) as upstream:
            there = {
                "name": "u",
                "url": upstream.url,
                "poll_interval": 60,
                "speech_model": "tts-1",
                "speech_voice": "nova",
                "transcription_model": "whisper-1",
                "idle_timeout": 2.0,
            }
            silent = {"name": "s", "url": upstream.url, "poll_interval": 60, "include": [f"{SILENT}*"]}
            config = harness.config(url, [there | {"exclude": [f"{SILENT}*"]}, silent], service=SHARED)
            async with harness.bridge(config) as running:
                yield House(harness, running, upstream)


@pytest.fixture
async def talk(house: House) -> AsyncIterator[Conversation]:
    """A new person in the room of a new agent."""
    house.upstream.recording, house.upstream.script = wave_file(1.0), says("Hello **world**.\n\n```\ncode\n```")
    house.upstream.spoken.clear()
    async with house.harness.person() as person:
        yield await house.running.join(person, house.next_agent())


@asynccontextmanager
async def administered(house: House, talk: Conversation) -> AsyncIterator[Person]:
    """An administrator of the bridge enters the room."""
    async with house.harness.person("admin") as admin:
        await house.running.homeserver.invite(talk.room_id, admin.user_id, talk.ghost)
        await admin.join(talk.room_id)
        await admin.wait_for(lambda: talk.room_id in admin.rooms)
        yield admin


async def ask_by_voice(talk: Conversation) -> str:
    url = await talk.person.upload(wave_file(0.2), "audio/wav", "question.wav")
    content = {"msgtype": "m.audio", "body": "question.wav", "url": url, "info": {"mimetype": "audio/wav"}}
    return await talk.person.send(talk.room_id, "m.room.message", content | _VOICE)


def voices(talk: Conversation) -> list[Message]:
    return [each for each in talk.answers if "org.matrix.msc3245.voice" in each.content]


async def voiced(talk: Conversation, count: int = 1) -> list[Message]:
    """Wait until *count* voice messages are there and the turn is closed."""
    await talk.person.wait_for(lambda: len(voices(talk)) >= count)
    await talk.wait_until_idle()
    return voices(talk)


async def states(house: House, talk: Conversation) -> list[str]:
    """Return the states of the turns of messages in the room."""
    rows = await house.running.database.rows(
        "SELECT state FROM turn t JOIN conversation c ON c.id = t.conversation"
        " WHERE c.room_id = %s AND t.kind = 'message'",
        (talk.room_id,),
    )
    return [row["state"] for row in rows]


def relation(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["m.relates_to"]
    return found


async def test_an_answer_to_a_voice_message_is_read_aloud(house: House, talk: Conversation) -> None:
    await talk.say("in writing")
    (text,) = await talk.wait_for_answers(1)
    assert house.upstream.spoken == []
    await ask_by_voice(talk)
    (voice,) = await voiced(talk)
    _, answer, _ = talk.answers
    assert text.body.startswith("Hello")
    assert answer.content["msgtype"] == "m.text"
    assert house.upstream.spoken == [
        {"model": "tts-1", "voice": "nova", "response_format": "opus", "input": "Hello world.\nCode omitted."}
    ]
    content = voice.versions[0]
    assert (content["msgtype"], content["info"]["mimetype"]) == ("m.audio", "audio/ogg")
    assert relation(content) == {"m.in_reply_to": {"event_id": answer.event_id}}
    details = content["org.matrix.msc1767.audio"]
    assert details["duration"] == content["info"]["duration"] == 1000
    assert (len(details["waveform"]) <= 100, max(details["waveform"])) == (True, 1024)
    data = await talk.person.download(content["url"])
    assert (data[:4], len(data)) == (b"OggS", content["info"]["size"])


@pytest.mark.long
async def test_a_room_has_all_answers_read_aloud_or_none(house: House, talk: Conversation) -> None:
    person = talk.person
    assert "Answers to voice messages are read aloud" in await talk.command("voice")
    assert "moderator" in await talk.command("voice on")
    async with administered(house, talk) as admin:
        assert "All answers are read aloud" in await talk.command("voice on", by=admin)
        thread = await talk.say("a thread")
        await voiced(talk)
        await person.reply(talk.room_id, thread, "within it", thread=thread)
        _, within = await voiced(talk, 2)
        assert relation(within.versions[0])["event_id"] == thread
        assert "No answers are read aloud" in await talk.command("voice off", by=admin)
    before = len(house.upstream.spoken)
    await ask_by_voice(talk)
    await talk.person.wait_for(lambda: len([each for each in talk.answers if each not in voices(talk)]) >= 3)
    await talk.wait_until_idle()
    assert len(house.upstream.spoken) == before


async def test_a_room_whose_agent_has_no_voice_says_so(house: House) -> None:
    async with house.harness.person("admin") as admin:
        talk = await house.running.join(admin, house.upstream.names[-1])
        for command in ("voice", "voice on", "voice asked"):
            assert "none has a speech_model" in await talk.command(command)
        assert "No answers are read aloud" in await talk.command("voice off")


async def test_a_long_answer_has_several_voice_messages(house: House, talk: Conversation) -> None:
    house.upstream.script = says("All is well. " * 700)
    await ask_by_voice(talk)
    found = await voiced(talk, 3)
    assert [len(each["input"]) <= 4096 for each in house.upstream.spoken] == [True] * 3
    said = " ".join(each["input"] for each in house.upstream.spoken)
    assert said == "All is well. " * 699 + "All is well."
    assert len({each.event_id for each in found}) == 3


@pytest.mark.parametrize(
    ("recording", "cause"),
    [
        (500, "the server of {agent} failed (500)"),
        (404, "the bridge cannot use the server of {agent} as it is set up"),
        (b"no sound at all", "the recording of the agent's server cannot be read"),
        (b"", "the response of the server of {agent} is not a recording"),
    ],
    ids=["an error", "no such path", "garbage", "nothing"],
)
async def test_without_a_voice_the_text_stays_and_the_room_is_told_once(
    house: House, talk: Conversation, recording: bytes | int, cause: str
) -> None:
    house.upstream.recording = recording
    await ask_by_voice(talk)
    text, notice = await talk.wait_for_answers(2)
    assert text.body == "Hello world.\n\ncode"
    assert notice.content["msgtype"] == "m.notice"
    agent = house.upstream.names[house.used - 1]
    assert notice.body == f"The answer is not read aloud: {cause.format(agent=agent)}."
    await ask_by_voice(talk)
    await talk.wait_for_answers(3)
    assert [each.content["msgtype"] for each in talk.answers] == ["m.text", "m.notice", "m.text"]
    assert await states(house, talk) == ["done", "done"]


@pytest.mark.long
async def test_a_silent_server_ends_in_time(house: House, talk: Conversation) -> None:
    house.upstream.recording = asyncio.Event()
    await ask_by_voice(talk)
    _, notice = await talk.wait_for_answers(2)
    assert notice.body.startswith("The answer is not read aloud: ")


async def test_a_stop_ends_the_voice_and_leaves_the_text(house: House, talk: Conversation) -> None:
    house.upstream.recording = asyncio.Event()
    await ask_by_voice(talk)

    async def speaks() -> bool:
        return bool(house.upstream.spoken)

    await eventually(speaks, "the server is asked to speak")
    await talk.person.wait_for(lambda: talk.answers)
    assert "top" in await talk.command("stop")
    await talk.wait_until_idle()
    (text,) = talk.answers
    assert "stopped" not in text.body
    assert await states(house, talk) == ["done"]


@pytest.mark.long
async def test_another_answer_replaces_the_voice_and_a_redaction_removes_it(house: House, talk: Conversation) -> None:
    question = await ask_by_voice(talk)
    (first,) = await voiced(talk)
    await talk.person.react(talk.room_id, question, "🔁")
    await talk.person.wait_for(lambda: len(house.upstream.spoken) >= 2)
    await talk.person.wait_for(lambda: [each.event_id for each in voices(talk)] not in ([], [first.event_id]))
    await talk.wait_until_idle()
    (second,) = voices(talk)
    assert second.event_id != first.event_id
    await talk.person.redact(talk.room_id, question)
    await eventually(partial(_is_gone, talk), "the answer and its voice are redacted")


async def test_the_voice_of_an_answer_is_quoted_as_its_text_and_goes_with_it(house: House, talk: Conversation) -> None:
    await ask_by_voice(talk)
    await voiced(talk)
    (voice,) = voices(talk)
    (text,) = [each for each in talk.answers if each not in voices(talk)]
    await talk.person.reply(talk.room_id, voice.event_id, "Why?")
    await talk.person.wait_for(lambda: len(talk.answers) > 2)
    assert "> Hello world." in house.upstream.asked[-1]["messages"][-1]["content"]
    await talk.wait_until_idle()
    async with administered(house, talk) as admin:
        await admin.redact(talk.room_id, text.event_id)
        await eventually(partial(_is_gone, talk), "the voice of the redacted answer is redacted")


@pytest.mark.long
async def test_in_a_room_of_several_the_others_get_the_text_alone(house: House, talk: Conversation) -> None:
    one, two = house.next_agent(), house.next_agent()
    room = await group(house.running, talk.person, one, two)
    await house.running.database.execute("UPDATE room SET speech = 'on' WHERE room_id = %s", (room.room_id,))
    await room.tell("what is it?", one)
    await talk.person.wait_for(lambda: len(room.said_by(one)) >= 2)
    await room.settled()
    await room.tell("and you?", two)
    await talk.person.wait_for(lambda: len(room.said_by(two)) >= 2)
    heard = str(house.upstream.asked[-1]["messages"])
    assert "Hello" in heard
    assert "Voice message" not in heard


async def _is_gone(talk: Conversation) -> bool:
    return not voices(talk)
