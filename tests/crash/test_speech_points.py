"""A process dies at each point of a voice, and the next process completes it: the room has one text and one voice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crash.cases import around, short_form
from crash.doomed_process import kill_at
from support.bot_rooms import named_upstream
from support.harness import DOMAIN
from support.recordings import wave_file

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

pytest.importorskip("av")
_STEPS = ("commit:1", "upload:1", "spoken:1", "voice:1", "voice:2", "finish:1")
#: Points that the quick form has: the second of two voice messages is sent and not recorded.
_QUICK = {"after:voice:2"}
_POINTS = around(*_STEPS)


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_voice_speaks_once(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as person:
        upstream.recording = wave_file(0.3)
        there = {"name": "scripted", "url": upstream.url, "speech_model": "tts-1"}
        config = harness.config(
            database_url, [there], permissions={DOMAIN: "member", person.user_id: "admin"}, logging={"format": "json"}
        )
        async with harness.bridge(config) as running:
            talk = await running.join(person, "Ada")
            assert "All answers are read aloud" in await talk.command("voice on")
        question = "all is well. " * 400
        await kill_at(tmp_path, config, point, question, talk.say)
        async with harness.bridge(config) as running:
            talk = replace(talk, running=running)
            await talk.wait_until_idle()
            assert (await talk.command("help voice")).startswith("!ab voice")
            events = [event["content"] for event in await person.history(talk.room_id)]
            first = [content for content in events if content.get("msgtype") and "m.new_content" not in content]
            voices = [content for content in first if content["msgtype"] == "m.audio"]
            assert [content["org.matrix.msc1767.audio"]["duration"] for content in voices] == [300, 300]
            assert len({content["url"] for content in voices}) == 2
            assert len([content for content in first if content["body"].startswith("Echo: ")]) == 1
            # Each piece that is stored is not made again.
            assert 2 <= len(upstream.spoken) <= 3
