"""A process dies at each point of an import, and the next process completes it: each message is shown once."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.ids import IMPORTED
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess, kill_at
from support.conditions import eventually
from support.harness import new_harness
from support.imports import events_of, imported, letta_of, remember, said
from support.scripted_app_server import ScriptedAppServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.harness import BridgeHarness

#: Sixty messages are two batches, of which the second one has ten.
_QUESTIONS = 30
_STEPS = (
    "effect:1",
    "word:1",
    "people:1",
    "cursor:1",
    "import:1",
    "import:5",
    "imported:1",
    "cursor:2",
    "import:52",
    "imported:2",
    "people_leave:1",
    "cursor:4",
    "operation_end:1",
)
#: The point that the quick form has: messages are shown and not stored.
_QUICK = {"after:import:5"}
_POINTS = around(*_STEPS)
#: The points at which a process dies that makes a new room.
_NEW_POINTS = ("after:import:5", *around("cursor", "operation_end"), "after:imported:1", "after:people_leave:1")


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[BridgeHarness]:
    """A homeserver that the tests of this file restart."""
    async with new_harness() as running:
        yield running


@pytest.mark.parametrize(
    "forgets", [False, pytest.param(True, marks=pytest.mark.long)], ids=["", "homeserver restarted"]
)
@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_import_is_completed(
    own: BridgeHarness, database_url: str, tmp_path: Path, point: str, *, forgets: bool
) -> None:
    async with ScriptedAppServer("Dora") as server, own.person("admin") as admin:
        remember(server, _QUESTIONS)
        config = own.config(database_url, letta_of(server), logging={"format": "json"})
        async with own.bridge(config) as running:
            talk = await running.join(admin, server.names[0])
            room_id = talk.room_id
        await kill_at(tmp_path, config, point, "!ab import", talk.say)
        if forgets:
            # It forgets the transaction ids.
            await own.synapse.restart()
        async with own.bridge(config) as running:
            await admin.wait_for(lambda: said(talk)[-1:] == ["Imported 60 messages."])

            async def ended() -> bool:
                rows = await running.database.rows("SELECT state FROM operation")
                return [row["state"] for row in rows] == ["done"]

            await eventually(ended, "the operation is done")
            bodies = [each["content"]["body"] for each in await imported(admin, room_id)]
            assert bodies == [f"{kind} {each}" for each in range(_QUESTIONS) for kind in ("question", "answer")]
            assert len(said(talk)) == 1
            assert running.homeserver.namespace.imported not in await running.homeserver.members(room_id)


@pytest.mark.long
@pytest.mark.parametrize("point", _NEW_POINTS)
async def test_a_new_room_is_completed(own: BridgeHarness, database_url: str, tmp_path: Path, point: str) -> None:
    async with ScriptedAppServer("Dora") as server, own.person("admin") as admin:
        remember(server, _QUESTIONS)
        rooms = {"invite": [admin.user_id]}
        config = own.config(
            database_url, letta_of(server, import_history="all"), rooms=rooms, logging={"format": "json"}
        )
        async with DoomedProcess(tmp_path, config, point, "") as process:
            assert await process.death() == -signal.SIGKILL
        async with own.bridge(config) as running:
            room_id = (await running.contact(server.names[0])).home.room_id or ""
            await admin.wait_for(lambda: room_id in admin.invites)
            await admin.join(room_id)
            await admin.wait_for(lambda: room_id in admin.rooms)
            events = await events_of(admin, room_id)
            found = [each for each in events if IMPORTED in each["content"]]
            bodies = [each["content"]["body"] for each in found]
            assert bodies == [f"{kind} {each}" for each in range(_QUESTIONS) for kind in ("question", "answer")]
            assert {each["content"]["msgtype"] for each in found} == {"m.text"}
            (invitation,) = [
                each
                for each in events
                if each.get("state_key") == admin.user_id and each["content"]["membership"] == "invite"
            ]
            assert events.index(found[-1]) < events.index(invitation)
