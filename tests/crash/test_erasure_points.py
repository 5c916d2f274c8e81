"""A process dies at each point of an erasure, and the next process completes it: no word of the person is left."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.lifecycle.erasure import ERASE
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.postgres.database import Database
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from support.bot_rooms import bot_chat, named_upstream
from support.chat_rooms import new_chat
from support.conditions import eventually
from support.database_text import found_in
from support.groups import group

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

_STEPS = ("erase_saved", "erase_room", "erase_heard", "erase_events", "erase_space", "erase_turns", "erase_rest")
#: Points that the quick form has: a room is gone and its rows are left.
_QUICK = {"before:erase_room:1"}
_POINTS = [
    *around(*_STEPS, "cursor:1", "cursor:4", "cursor:8"),
    "before:operation_end:1",
]
_ALLOWED = {"room.invited", "kv.value", "operation.params", "operation.cursor"}


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_erasure_is_completed(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as ann:
        there = [{"name": "scripted", "url": upstream.url}]
        sections: dict[str, Any] = {"space": {"per_user": True}, "logging": {"format": "json"}}
        config = harness.config(database_url, there, **sections)
        async with harness.bridge(config) as running:
            chat = await new_chat(await bot_chat(running, ann), "new @Ada secret0")
            await chat.say("secret1")
            await chat.answers_of("Ada", 1)
            await chat.ask("!ab save secret2")
            together = await group(running, ann, "Ada", "Bea")
            for agent in ("Ada", "Bea"):
                await together.tell(f"secret of {agent}", agent)
                await ann.wait_for(partial(together.said_by, agent))
                await together.settled()
            assert await found_in(running.database, ["secret"])
        async with DoomedProcess(tmp_path, config, point, "") as process:
            await process.wait_for("listening")
            async with Database(config.database.url) as database:
                await OperationStore(database).request_alone(ERASE, "test", {"user": ann.user_id})
            assert await process.death() == -signal.SIGKILL
        async with harness.bridge(config) as running:

            async def ended() -> bool:
                rows = await running.database.rows("SELECT state FROM operation")
                return [row["state"] for row in rows] == ["done"]

            await eventually(ended, "the operation is done")
            assert await found_in(running.database, ["secret", ann.user_id], _ALLOWED) == {}
