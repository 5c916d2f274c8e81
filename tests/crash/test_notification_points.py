"""A process dies at each step of a notification: the person is told once, in one room."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.postgres.database import Database
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from support.conditions import eventually
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness
    from support.postgres import Server

_POINTS = around("news_gathered", "news_room", "news_entered", "news_aim", "news_send", "news_sent")
#: The message is in the room, and nobody knows it.
_QUICK = {"after:news_send:1"}


@dataclass(frozen=True)
class Stage:
    """A bridge that does not run."""

    harness: BridgeHarness
    config: Config
    database: Database

    async def assign(self, user: str, *titles: str) -> None:
        """Write a notification for each of *titles*."""
        async with self.database.transaction() as connection:
            for title in titles:
                told = Notification(user, NotificationKind.TASK_ASSIGNED, None, {"task": 1, "title": title, "by": ""})
                await Notifications(self.database).add(connection, told)


@pytest.fixture(scope="module")
async def stage(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Stage]:
    with postgres.migrated() as url:
        async with ScriptedUpstream("nia") as upstream, Database(url) as database:
            config = harness.config(url, [{"name": "u", "url": upstream.url}], logging={"format": "json"})
            yield Stage(harness, config, database)


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_notification_is_told_once(stage: Stage, tmp_path: Path, point: str) -> None:
    async with stage.harness.person() as person:
        await stage.assign(person.user_id, "one", "two")
        async with DoomedProcess(tmp_path, stage.config, point, "") as process:
            assert await process.death() == -signal.SIGKILL
        # The message is fixed, whatever comes behind it.
        await stage.assign(person.user_id, "three")
        async with BridgeProcess(tmp_path, stage.config):

            async def told() -> bool:
                return not await stage.database.rows("SELECT 1 FROM notification WHERE sent_at IS NULL")

            await eventually(told, "all notifications are told")
            (room_id,) = await person.wait_for(lambda: [*person.invites])
            await person.join(room_id)
            await person.wait_for(lambda: room_id in person.rooms)
            bot = stage.config.namespace.bot
            said = await person.wait_for(lambda: person.room(room_id).said_by(bot))
        lines = [line.partition("you by")[2].strip(" :") for each in said for line in each.body.splitlines()]
        assert [line for line in lines if line] == ["one", "two", "three"]
