"""A process dies at each point of the way to an encrypted answer: everybody reads the answer, once."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from agent_bridge.demo.program import ProgramEnded
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from support.encrypted_person import encrypted_person
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.encrypted_person import EncryptedPerson
    from support.harness import BridgeHarness

pytest.importorskip("vodozemac")
_STEPS = (
    *("make_device", "keys_uploaded", "keys_published", "devices_listed"),
    *("event_sealed", "key_taken", "keys_received", "decrypted", "event_opened"),
    *("key_shared", "encrypted", "to_devices", "sealed_send"),
)
#: Points that the quick form has: the homeserver has keys that nobody knows of; a message is encrypted and not sent.
_QUICK = {"after:keys_uploaded:1", "after:encrypted:2"}
_POINTS = [*around(*_STEPS), *around("encrypted:2")]


async def _talk(person: EncryptedPerson, ghost: str) -> str:
    """Begin a chat with an agent, and ask until there is an answer; return the room."""
    room_id = await person.create_room(ghost)
    await person.meets(room_id, ghost)
    await person.say(room_id, "hello")
    await person.hears(room_id, ghost, "Echo: hello")
    await person.say(room_id, "and again")
    await person.hears(room_id, ghost, "Echo: and again")
    return room_id


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_answer_is_read_once(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with ScriptedUpstream("ada") as upstream, encrypted_person(harness, tmp_path) as person:
        there = {"name": "u", "url": upstream.url}
        config = harness.config(database_url, [there], logging={"format": "json"}, encryption={"allow": True})
        ghost = config.namespace.user_id(config.namespace.localpart(upstream.names[0]))
        async with encrypted_person(harness, tmp_path, person.user_id[1:].partition(":")[0]) as second:
            async with DoomedProcess(tmp_path, config, point, "") as process:
                # The first device is that of the bot, perhaps before the agent is there.
                with suppress(ProgramEnded):
                    await process.wait_for("room ready")
                talk = asyncio.create_task(_talk(person, ghost))
                assert await process.death() == -signal.SIGKILL
            async with BridgeProcess(tmp_path, config):
                room_id = await talk
                await second.hears(room_id, ghost, "Echo: and again")
        for client in (person, second):
            answers = [body for body in client.bodies(room_id, ghost) if body.startswith("Echo: ")]
            assert answers == ["Echo: hello", "Echo: and again"]
            assert not [event for event in client.unread.get(room_id, []) if event.sender == ghost]
