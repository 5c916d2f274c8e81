"""Files in both directions: files of people for an agent, and files of an agent for people."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from PIL import Image

from support import sample_documents
from support.harness import DOMAIN
from support.proxy import Proxy
from support.scripted_upstream import File, ScriptedUpstream, says

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Conversation
    from support.shared_bridge import SharedBridge


def picture(width: int, height: int, **options: Any) -> bytes:
    """Return a red JPEG."""
    data = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(data, "JPEG", **options)
    return data.getvalue()


def turned() -> bytes:
    """Return a picture that lies on its side, as cameras make them."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(40, 20, exif=exif)


async def send_file(talk: Conversation, data: bytes, content_type: str, name: str, **more: Any) -> str:
    """Send a file as a person's client does and return the event."""
    url = await talk.person.upload(data, content_type, name)
    kind = {"image": "m.image", "audio": "m.audio"}.get(content_type.partition("/")[0], "m.file")
    info = {"mimetype": content_type, "size": len(data)}
    content = {"msgtype": kind, "body": name, "filename": name, "url": url, "info": info}
    return await talk.person.send(talk.room_id, "m.room.message", content | more)


@pytest.mark.long
async def test_pictures_that_are_sent_together_are_one_question(shared: SharedBridge) -> None:
    async with ScriptedUpstream("seer") as upstream, shared.talk(upstream) as talk:
        await send_file(talk, turned(), "image/jpeg", "one.jpg")
        await send_file(talk, picture(3000, 10), "image/png", "two.png")
        await talk.say("What is on them?")
        await talk.wait_for_answers(1)
        assert len(upstream.asked) == 1
        text, *images = upstream.asked[0]["messages"][-1]["content"]
        assert text == {"type": "text", "text": "[one.jpg]\n\n[two.png]\n\nWhat is on them?"}
        sizes = []
        for image in images:
            head, data = image["image_url"]["url"].split(",")
            assert head == "data:image/jpeg;base64"
            sizes.append(Image.open(io.BytesIO(base64.b64decode(data))).size)
        assert sizes[0] == (20, 40)
        assert sizes[1][0] <= 2048


@pytest.mark.long
async def test_a_caption_goes_with_its_file(shared: SharedBridge) -> None:
    async with ScriptedUpstream("reader") as upstream, shared.talk(upstream) as talk:
        await send_file(talk, "größe, welt".encode(), "text/plain", "my_letter_v2.txt", body="Translate this")
        await talk.wait_for_answers(1)
        assert upstream.questions == ["Translate this\n\nFile my_letter_v2.txt:\n\n```\ngröße, welt\n```"]
        await talk.say("thanks")
        await talk.wait_for_answers(2)
        # The conversation still has the file later on.
        assert "größe, welt" in upstream.asked[1]["messages"][0]["content"]


async def test_documents_and_voice_messages_are_read(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("listener") as upstream,
        harness.talk(database_url, upstream, transcription_model="whisper-1") as talk,
    ):
        upstream.transcript = "turn the light on"
        await send_file(talk, sample_documents.pdf("Hello from a PDF"), "application/pdf", "paper.pdf", body="Sum up")
        await talk.wait_for_answers(1)
        assert "Hello from a PDF" in upstream.questions[0]
        voice = b"OggS\x00\x02" + bytes(22) + b"\x01\x13OpusHead\x01\x01" + bytes(100)
        await send_file(talk, voice, "audio/ogg", "voice.ogg", **{"org.matrix.msc3245.voice": {}})
        await talk.wait_for_answers(2)
        assert upstream.questions[1] == "Transcript of a voice message:\n\nturn the light on"


@pytest.mark.long
async def test_files_that_cannot_be_used_are_reported(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("picky") as upstream,
        harness.talk(database_url, upstream, files={"max_bytes": 1000}, images=False) as talk,
    ):
        await send_file(talk, b"x" * 1001, "text/plain", "long.txt")
        (notice,) = await talk.wait_for_answers(1)
        assert notice.body == "⚠️ No answer: the file long.txt is larger than 1 kB."
        await send_file(talk, picture(2, 2), "image/jpeg", "cat.jpg", body="And this?")
        answers = await talk.wait_for_answers(3)
        assert [answer.body for answer in answers[1:]] == [
            "Echo: And this?",
            f"The agent {upstream.names[0]} does not accept images.",
        ]
        assert answers[2].content["msgtype"] == "m.notice"
        await send_file(talk, b"x", "text/plain", "lost.txt", url=f"mxc://{DOMAIN}/nowhere")
        answers = await talk.wait_for_answers(4)
        assert "the file lost.txt could not be downloaded" in answers[3].body
        await send_file(talk, b"PK\x03\x04" + bytes(50), "application/zip", "all.zip")
        answers = await talk.wait_for_answers(5)
        assert "all.zip" in answers[4].body
        assert upstream.questions == ["And this?"]


async def test_an_agents_files_are_sent_as_files(shared: SharedBridge) -> None:
    async with ScriptedUpstream("painter") as upstream, shared.talk(upstream) as talk:
        data = picture(1600, 1200)
        image = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        upstream.script = says("Here it is.", File(image))
        await talk.say("Paint something red")
        text, shown = await talk.wait_for_answers(2)
        assert text.body == "Here it is."
        content = shown.content
        assert content["msgtype"] == "m.image"
        assert content["m.mentions"] == {}
        info = content["info"]
        # The content decides the type, not the name of the file.
        assert (info["mimetype"], info["w"], info["h"], info["size"]) == ("image/jpeg", 1600, 1200, len(data))
        assert info["xyz.amorgan.blurhash"]
        assert await talk.person.download(content["url"]) == data
        small = Image.open(io.BytesIO(await talk.person.download(info["thumbnail_url"])))
        assert small.size == (info["thumbnail_info"]["w"], info["thumbnail_info"]["h"]) == (800, 600)


async def test_a_link_to_a_private_address_is_not_followed(shared: SharedBridge) -> None:
    async with (
        ScriptedUpstream("other") as victim,
        ScriptedUpstream("sly") as upstream,
        shared.talk(upstream) as talk,
    ):
        upstream.script = says("See:", File(f"{victim.url}/models"))
        await talk.say("Get it")
        answers = await talk.wait_for_answers(2)
        assert (
            "could not be sent: its link points to an address that this bridge does not fetch from" in answers[1].body
        )
        await talk.wait_until_idle()
        assert len(talk.answers) == 2


@pytest.mark.long
async def test_a_file_that_can_never_be_had_does_not_hold_the_room(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("waiter") as upstream, Proxy(harness.synapse.url) as proxy:
        # As after the end of the sender's homeserver.
        proxy.refuses = lambda _number, _method, path: (
            web.json_response({"errcode": "M_UNKNOWN", "error": "no remote media"}, status=502)
            if "/media/download/" in path
            else None
        )
        homeserver = {"address": proxy.url, "domain": DOMAIN}
        async with harness.talk(database_url, upstream, homeserver) as talk:
            await send_file(talk, b"x", "text/plain", "lost.txt", body="What is this?")
            await talk.say("And that?")
            answers = await talk.wait_for_answers(3)
            assert [answer.body for answer in answers[::2]] == ["Echo: What is this?", "Echo: And that?"]
            assert "The file lost.txt could not be downloaded" in answers[1].body


async def test_words_do_not_wait_for_files_and_a_stop_does_not_either(
    harness: BridgeHarness, database_url: str
) -> None:
    never = asyncio.Event()
    async with ScriptedUpstream("slow") as upstream, Proxy(harness.synapse.url) as proxy:
        proxy.holds = lambda _number, _method, path: never if path.endswith("/upload") else None
        homeserver = {"address": proxy.url, "domain": DOMAIN}
        async with harness.talk(database_url, upstream, homeserver) as talk:
            upstream.script = says("Here it is.", File("data:text/plain,hello", "hello.txt"))
            await talk.say("A file, please")
            await talk.person.wait_for(lambda: talk.answers)
            await talk.person.say(talk.room_id, "!ab stop")
            await talk.person.wait_for(lambda: "(stopped)" in talk.answers[0].body)
