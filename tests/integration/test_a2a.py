"""The whole bridge with an agent that speaks A2A: its tasks are answers, and its questions are messages."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from support.a2a_tasks import Asks, Chunk
from support.answer_chunks import File
from support.scripted_a2a import ScriptedA2A, acts
from support.scripted_upstream import until_cancelled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Conversation


WAVE = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00" + bytes(40)


@asynccontextmanager
async def talking(harness: BridgeHarness, url: str, server: ScriptedA2A) -> AsyncIterator[Conversation]:
    """Run a bridge with *server*, and put a person into the room of its agent."""
    upstream = {"name": "agents", "kind": "a2a", "url": server.url, "cards": server.names}
    async with harness.person() as person, harness.bridge(harness.config(url, [upstream])) as running:
        yield await running.join(person, server.names[0])


def bodies(talk: Conversation) -> list[str]:
    return [each.body for each in talk.answers]


async def test_a_contact_asks_and_gives_files(harness: BridgeHarness, database_url: str) -> None:
    table = base64.b64encode(b"a,b\n1,2\n").decode()
    async with ScriptedA2A("Dora") as server, talking(harness, database_url, server) as talk:
        server.scripts.extend(
            [
                acts("Hello ", "there."),
                acts(Asks("Where to?")),
                acts("Here is the table.", Chunk("t", ({"raw": table, "filename": "a.csv", "mediaType": "text/csv"},))),
            ]
        )
        await talk.say("hello")
        await talk.wait_for_answers(1)
        await talk.say("a trip")
        await talk.wait_for_answers(2)
        await talk.say("Oslo")
        *texts, file = await talk.wait_for_answers(4)
        assert [each.body for each in texts] == ["Hello there.", "Where to?", "Here is the table."]
        assert (file.content["msgtype"], file.content["filename"]) == ("m.file", "a.csv")
        assert await talk.person.download(file.content["url"]) == b"a,b\n1,2\n"
        first, trip, oslo = (params["message"] for method, params in server.calls if method == "SendStreamingMessage")
        assert "contextId" not in first
        assert trip["contextId"] == oslo["contextId"]
        assert ("taskId" in trip, "taskId" in oslo) == (False, True)

        # A link to a file on an address that the bridge does not fetch from.
        server.script = acts("See this.", File("http://169.254.169.254/latest", "secret.txt"))
        await talk.say("secrets?")
        await talk.wait_for_answers(5)
        assert "secret.txt" in talk.answers[-1].body
        assert talk.answers[-1].content["msgtype"] != "m.file"

        # A recording goes to the agent as it is.
        server.script = acts("Nice song.")
        url = await talk.person.upload(WAVE, "audio/wav", "song.wav")
        info = {"mimetype": "audio/wav", "size": len(WAVE)}
        content = {"msgtype": "m.audio", "body": "song.wav", "url": url, "info": info}
        await talk.person.send(talk.room_id, "m.room.message", content)
        await talk.person.wait_for(lambda: bodies(talk)[-1] == "Nice song.")
        name, song = server.calls[-1][1]["message"]["parts"]
        assert name == {"text": "[song.wav]"}
        assert base64.b64decode(song["raw"]) == WAVE
        assert (song["filename"], song["mediaType"].partition("/")[0]) == ("song.wav", "audio")

        # A stop ends the task, and the next message gets a new one.
        over = asyncio.Event()
        server.script = until_cancelled(over, "Half")
        question = await talk.say("a long story")
        await talk.person.wait_for(lambda: any("Half" in each for each in bodies(talk)))
        await talk.person.react(talk.room_id, question, "🛑")
        await asyncio.wait_for(over.wait(), 30)
        server.script = acts("Short.")
        await talk.say("a short one")
        await talk.person.wait_for(lambda: bodies(talk)[-1] == "Short.")
