"""A process dies at each point of an export, and the next process completes it: the room has one file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crash.cases import around, short_form
from crash.doomed_process import kill_at
from support.bot_rooms import named_upstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

_STEPS = ("effect:1", "upload:1", "effect:2", "commit:1", "file:1", "finish:1")
#: Points that the quick form has: the event of the file is sent and not recorded.
_QUICK = {"after:file:1"}
_POINTS = around(*_STEPS)


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_export_sends_one_file(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}], logging={"format": "json"})
        async with harness.bridge(config) as running:
            talk = await running.join(person, "Ada")
            await talk.say("one")
            await talk.wait_for_answers(1)
        await kill_at(tmp_path, config, point, "!ab export json", talk.say)
        async with harness.bridge(config) as running:
            talk = replace(talk, running=running)
            await talk.wait_until_idle()
            assert (await talk.command("help export")).startswith("!ab export")
            events = [event["content"] for event in await person.history(talk.room_id)]
            files = [content for content in events if content.get("msgtype") == "m.file"]
            # An attempt that goes on edits what it may have sent.
            assert len([content for content in files if "m.new_content" not in content]) == 1
            document = json.loads(await person.download(files[0]["url"]))
            assert [message["text"] for message in document["messages"]] == ["one", "Echo: one"]
            # The notice of the export, and the one of the help.
            assert len([each for each in talk.from_bot if each.content["msgtype"] == "m.notice"]) == 2
