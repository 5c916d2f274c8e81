"""A process dies at each step of an agent event: the room gets it once."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.agent_events import EVENT
from agent_bridge.store.postgres.database import Database
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from support.bot_rooms import BotRoom, bot_chat
from support.conditions import eventually
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness
    from support.postgres import Server

_POINTS = around("effect", "event_add", "event_trying", "event_send", "event_closed", "word", "finish")
#: The event is in the room, and nobody knows it.
_QUICK = {"after:event_send:1"}


@dataclass(frozen=True)
class Stage:
    """A person in a room with the bot, and no process of the bridge."""

    config: Config
    desk: BotRoom
    database: Database

    async def settled(self) -> None:
        """Wait until no turn is open, and no event waits."""

        async def idle() -> bool:
            turns = await self.database.rows("SELECT 1 FROM turn WHERE open")
            return not turns and not await self.database.rows("SELECT 1 FROM agent_event WHERE closed_at IS NULL")

        await eventually(idle, "no event waits")


@pytest.fixture(scope="module")
async def stage(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Stage]:
    with postgres.migrated() as url:
        async with ScriptedUpstream("eva") as upstream, harness.person() as person, Database(url) as database:
            config = harness.config(url, [{"name": "u", "url": upstream.url}], logging={"format": "json"})
            async with harness.bridge(config) as running:
                desk = await bot_chat(running, person)
                await desk.settled()
            yield Stage(config, desk, database)


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_event_is_posted_once(stage: Stage, tmp_path: Path, point: str) -> None:
    kind = point.replace(":", ".")
    command, told = f"event {kind} {{x: 0.5}}", len(stage.desk.said())
    async with DoomedProcess(tmp_path, stage.config, point, command) as process:
        await process.wait_for("listening")
        await stage.desk.say(command)
        assert await process.death() == -signal.SIGKILL
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        await stage.desk.person.wait_for(lambda: len(stage.desk.said()) >= told + 2)
        await stage.settled()
    said = stage.desk.said()[told:]
    assert len(said) == 2
    (event,) = [each.content[EVENT] for each in said if EVENT in each.content]
    assert (event["kind"], event["data"], event["numbers"]) == (kind, {"x": "0.5"}, ["/x"])
