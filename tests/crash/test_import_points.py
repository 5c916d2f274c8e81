"""A process dies at each point of an import, and the next process completes it: each message is shown once."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from crash.doomed_process import DoomedProcess
from support.conditions import eventually
from support.harness import new_harness
from support.imports import imported, letta_of, remember, said
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
#: Points that the quick form has: messages are shown and not stored, and stored and not counted.
_QUICK = {"after:import:5", "after:imported:1"}
_POINTS = [f"{when}:{step}" for step in _STEPS for when in ("before", "after")]


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[BridgeHarness]:
    """A homeserver that the tests of this file restart."""
    async with new_harness() as running:
        yield running


@pytest.mark.parametrize("forgets", [False, True], ids=["", "homeserver restarted"])
@pytest.mark.parametrize(
    "point", [pytest.param(each, marks=() if each in _QUICK else pytest.mark.long) for each in _POINTS]
)
async def test_a_killed_import_is_completed(
    own: BridgeHarness, database_url: str, tmp_path: Path, point: str, *, forgets: bool
) -> None:
    async with ScriptedAppServer("Dora") as server, own.person("admin") as admin:
        remember(server, _QUESTIONS)
        config = own.config(database_url, letta_of(server), logging={"format": "json"})
        async with own.bridge(config) as running:
            talk = await running.join(admin, server.names[0])
            room_id = talk.room_id
        async with DoomedProcess(tmp_path, config, point, "!ab import") as process:
            await process.wait_for("listening")
            await talk.say("!ab import")
            assert await process.death() == -signal.SIGKILL
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
