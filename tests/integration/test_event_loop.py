"""Hostile answers and files do not block the event loop of a bridge, which runs as a real process."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Conversation
    from support.postgres import Server
    from support.scripted_upstream import Piece, Script

#: The tests share a bridge.
pytestmark = pytest.mark.xdist_group("integration/test_event_loop")
#: Seconds for which the event loop may compute without a pause.
LIMIT = 0.05
QUOTES = ">" * 30 + "a\n" + "b\n" * 4_000
ANSWERS = {
    "lazy quotations": QUOTES,
    "a mixture": ">" * 9_000 + "[" * 9_000 + "*a " * 3_000 + "`" * 9_000,
    "everything, long": "".join(
        f"{number} [a{number}](b *x{number} `c{number}\n> q{number}\n" for number in range(4_500)
    ),
    "tables": ("|a|b|\n|-|-|\n" * 400 + "\n") * 40,
}


def slowly(pieces: list[str]) -> Script:
    """Return a script that sends *pieces* with pauses: the answer is shown several times while it grows."""

    async def script(_question: str) -> AsyncIterator[Piece]:
        for piece in pieces:
            await asyncio.sleep(0.03)
            yield piece

    return script


@dataclass(frozen=True)
class Scene:
    """A bridge that has answered twice, and a person in the room of its agent."""

    bridge: BridgeProcess
    upstream: ScriptedUpstream
    talk: Conversation

    async def answered(self, **content: str) -> dict[str, Any]:
        """Send a message with *content*; return the statistics of the time until its answer is sent."""
        await self.bridge.stats()
        known = len(self.bridge.logged("answer sent"))
        await self.talk.person.send(self.talk.room_id, "m.room.message", content)
        await self.bridge.wait_until(lambda: len(self.bridge.logged("answer sent")) > known)
        return await self.bridge.stats()


@pytest.fixture(scope="module")
async def scene(
    harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    with postgres.migrated() as database_url:
        async with ScriptedUpstream("hostile") as upstream:
            there = {"name": "scripted", "url": upstream.url}
            config = harness.config(database_url, [there], logging={"format": "json"})
            async with harness.talk(database_url, upstream) as talk:
                await talk.say("warm up")
                await talk.wait_for_answers(1)
            folder = tmp_path_factory.mktemp("bridge")
            async with harness.watching(talk) as talk, BridgeProcess(folder, config) as bridge:
                await bridge.wait_for("listening")
                scene = Scene(bridge, upstream, talk)
                upstream.scripts.append(says("*warm* `up`"))
                await scene.answered(msgtype="m.text", body="warm up again")
                yield scene


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "tables" else pytest.mark.long) for name in ANSWERS]
)
async def test_an_answer(scene: Scene, name: str) -> None:
    answer = ANSWERS[name]
    scene.upstream.scripts.append(slowly([answer[start : start + 1_000] for start in range(0, len(answer), 1_000)]))
    found = await scene.answered(msgtype="m.text", body="go")
    assert found["blocked"] <= LIMIT, found["blocked_by"]


def large_picture() -> bytes:
    data = io.BytesIO()
    Image.effect_noise((1_500, 1_500), 60).save(data, "PNG")
    return data.getvalue()


FILES = {
    "picture": (large_picture, "m.image", "image/png"),
    "text": (lambda: b"one line of a long text\n" * 400_000, "m.file", "text/plain"),
}


@pytest.mark.parametrize("name", FILES)
async def test_a_file(scene: Scene, name: str) -> None:
    make, msgtype, content_type = FILES[name]
    url = await scene.talk.person.upload(make(), content_type, name)
    found = await scene.answered(msgtype=msgtype, body="look", filename=name, url=url)
    assert found["blocked"] <= LIMIT, found["blocked_by"]
