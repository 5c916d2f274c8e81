"""Files in encrypted rooms, in both directions, with a client of another implementation."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from agent_bridge.demo.synapse import free_port
from support.api_client import program_of
from support.conditions import eventually
from support.encrypted_files import opened, send_file, shown_files, stored
from support.encrypted_person import encrypted_person
from support.harness import SHARED
from support.scripted_upstream import File, ScriptedUpstream, echo, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.encrypted_person import EncryptedPerson
    from support.harness import BridgeHarness, Running
    from support.postgres import Server


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("painter", "reader") as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    with postgres.migrated() as url:
        config = harness.config(
            url,
            [{"name": "u", "url": upstream.url}],
            service=SHARED,
            encryption={"allow": True},
            api={"port": free_port()},
        )
        async with harness.bridge(config) as running:
            yield running


@pytest.fixture(scope="module")
async def enid(harness: BridgeHarness, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EncryptedPerson]:
    async with encrypted_person(harness, tmp_path_factory.mktemp("enid")) as enid:
        yield enid


async def chat_with(enid: EncryptedPerson, running: Running, agent: str) -> tuple[str, str]:
    """Begin an encrypted direct chat with *agent*; return its room and the ghost."""
    ghost = running.homeserver.namespace.user_id((await running.contact(agent)).agent.ghost)
    room_id = await enid.create_room(ghost)
    await enid.meets(room_id, ghost)
    return room_id, ghost


def picture(width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(data, "PNG")
    return data.getvalue()


async def test_files_go_in_both_directions(enid: EncryptedPerson, running: Running, upstream: ScriptedUpstream) -> None:
    upstream.script = echo
    room_id, ghost = await chat_with(enid, running, upstream.names[0])
    await send_file(enid, room_id, "größe, welt".encode(), "text/plain", "letter.txt")
    await enid.say(room_id, "Translate this")
    await eventually(lambda: _asked(upstream, "größe, welt"), "the agent has the file")
    # Another file than its message tells.
    await send_file(enid, room_id, b"x", "text/plain", "other.txt", hashes={"sha256": "A" * 43})
    cause = "it is encrypted, and does not match the key in its message"
    await enid.hears(room_id, ghost, f"⚠️ No answer: the file other.txt could not be read: {cause}.")
    await send_file(enid, room_id, b"x", "text/plain", "old.txt", v="v1")
    await enid.hears(room_id, ghost, "⚠️ No answer: the file old.txt could not be read: it is encrypted.")
    data = picture(1600, 1200)
    upstream.script = says("Here it is.", File(f"data:image/png;base64,{base64.b64encode(data).decode()}"))
    await enid.say(room_id, "Paint something red")
    (shown,) = await shown_files(enid, room_id, ghost, 1)
    info = shown["info"]
    assert (shown["msgtype"], info["mimetype"], info["size"], info["w"]) == ("m.image", "image/png", len(data), 1600)
    assert "url" not in shown
    assert "thumbnail_url" not in info
    assert await opened(enid, shown["file"]) == data
    small = Image.open(io.BytesIO(await opened(enid, info["thumbnail_file"])))
    assert small.size == (info["thumbnail_info"]["w"], info["thumbnail_info"]["h"]) == (800, 600)
    await enid.say(room_id, "!ab export")
    _, exported = await shown_files(enid, room_id, ghost, 2)
    assert b"Paint something red" in await opened(enid, exported["file"])
    assert exported["info"]["mimetype"] == "text/markdown"


@pytest.mark.long
async def test_programs_share_and_read_files(
    enid: EncryptedPerson, running: Running, upstream: ScriptedUpstream
) -> None:
    upstream.script = says("Thanks.", File("data:text/csv;base64,YSxi", "table.csv"))
    room_id, ghost = await chat_with(enid, running, upstream.names[1])
    await enid.say(room_id, "hello")
    await shown_files(enid, room_id, ghost, 1)
    program = await program_of(running, enid.user_id)
    path = f"/v1/rooms/{room_id}/files"
    headers = {"Content-Type": "text/plain"}
    sent = [
        await program.request("POST", path, data=b"notes", query={"name": "n.txt"}, headers=headers, key="1")
        for _ in range(2)
    ]
    assert [each.status for each in sent] == [200, 200]
    assert sent[0]["event_id"] == sent[1]["event_id"]
    assert await opened(enid, sent[0]["file"]) == b"notes"
    first, notes, table = await shown_files(enid, room_id, ghost, 3)
    assert await opened(enid, notes["file"]) == b"notes"
    assert "notes" in upstream.questions[-1]
    listed = (await program.get(f"/v1/rooms/{room_id}/messages"))["messages"]
    assert [(each["url"], each["file"]) for each in listed if each["url"]] == [
        (each["file"]["url"], each["file"]) for each in (first, notes, table)
    ]
    asked = await program.post("/v1/ask", to=room_id, text="a table?")
    (file,) = asked["answers"][0]["files"]
    assert await opened(enid, file["file"]) == b"a,b"


async def test_files_of_rooms_without_encryption_stay_plain(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream, enid: EncryptedPerson
) -> None:
    upstream.script = says("Thanks.", File("data:text/csv;base64,YSxi", "table.csv"))
    async with harness.person() as person:
        talk = await running.join(person, upstream.names[1])
        await talk.say("a table?")
        _, shown = await talk.wait_for_answers(2)
        assert "file" not in shown.content
        assert await stored(enid, shown.content["url"]) == (b"a,b", "text/csv")


async def _asked(upstream: ScriptedUpstream, words: str) -> bool:
    return any(words in each for each in upstream.questions)
