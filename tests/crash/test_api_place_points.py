"""A process dies at each step of a program's request about channels and threads: the request acts once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import pytest

from agent_bridge.bridge.collaboration.threads import THREAD
from agent_bridge.store.postgres.database import Database
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from support.api_client import Program, program_of
from support.bot_rooms import named_upstream
from support.conditions import eventually
from support.harness import DOMAIN
from support.places import delete_places
from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.matrix.client import Homeserver
    from support.harness import BridgeHarness
    from support.postgres import Server

BOSS = f"@boss:{DOMAIN}"
_CHANNEL = around("api_begin", "api_step", "create_room_for_program", "api_place_made", "bring", "api_finish")
_THREAD = around("api_step", "api_thread_send", "api_thread_shown", "api_finish")
_LEAVE = ("after:ghost_kicked:1", "before:ghost_left:1", "after:ghost_left:1")
_QUICK = {"after:api_step:1"}


@dataclass(frozen=True)
class Stage:
    """The channel *home* with the agent Ada, and programs of an owner and of Ada, without a process of the bridge."""

    config: Config
    owner: Program
    ada: Program
    ghost: str
    home: str
    database: Database
    homeserver: Homeserver


@pytest.fixture(scope="module")
async def stage(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Stage]:
    with postgres.migrated() as url:
        async with named_upstream("Ada") as upstream, Database(url) as database, harness.person("boss"):
            there = [{"name": "u", "url": upstream.url}]
            config = harness.config(url, there, permissions={BOSS: "owner"}, logging={"format": "json"})
            async with harness.bridge(config) as running:
                owner = await program_of(running, BOSS)
                server = await owner.post("/v1/servers", name="Lab")
                home = (await owner.post("/v1/channels", name="home", server=str(server["number"])))["room_id"]

                async def is_known() -> bool:
                    return bool(await running.agents.all())

                await eventually(is_known, "Ada is known")
                ada = await program_of(running, "Ada")
                ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
                ready = Stage(config, owner, ada, ghost, home, database, running.homeserver)
            yield ready
            async with harness.bridge(config) as running:
                await delete_places(running)


@pytest.mark.parametrize("point", short_form(_CHANNEL, _QUICK))
async def test_a_killed_request_makes_one_channel(stage: Stage, tmp_path: Path, point: str) -> None:
    body = {"name": point.replace(":", " "), "server": "Lab", "topic": "made once"}
    async with DoomedProcess(tmp_path, stage.config, point, "") as process:
        await process.wait_for("listening")
        with contextlib.suppress(aiohttp.ClientError):
            await stage.owner.post("/v1/channels", point, **body)
        assert await process.death() == -signal.SIGKILL
    async with BridgeProcess(tmp_path, stage.config) as successor:
        await successor.wait_for("listening")
        results = await asyncio.gather(*(stage.owner.post("/v1/channels", point, **body) for _ in range(2)))
        assert {each.status for each in results} == {201}
        assert len({each["room_id"] for each in results}) == 1
        assert (await stage.owner.post("/v1/channels", f"{point} again", **body)).code == "name_taken"
    rows = await stage.database.rows("SELECT room_id FROM room WHERE name = %s", (body["name"],))
    assert [row["room_id"] for row in rows] == [results[0]["room_id"]]


@pytest.mark.long
@pytest.mark.parametrize("point", _THREAD)
async def test_a_killed_request_begins_one_thread(
    stage: Stage, harness: BridgeHarness, tmp_path: Path, point: str
) -> None:
    path, name = f"/v1/rooms/{quote(stage.home)}/threads", f"thread {point}"
    async with harness.person("boss") as boss:
        await boss.join(stage.home)
        async with DoomedProcess(tmp_path, stage.config, point, "") as process:
            await process.wait_for("listening")
            with contextlib.suppress(aiohttp.ClientError):
                await stage.owner.post(path, name, name=name)
            assert await process.death() == -signal.SIGKILL
        async with BridgeProcess(tmp_path, stage.config) as successor:
            await successor.wait_for("listening")
            results = await asyncio.gather(*(stage.owner.post(path, name, name=name) for _ in range(2)))
            assert {each.status for each in results} == {201}
            assert len({each["root"] for each in results}) == 1
        said = boss.room(stage.home).said_by(stage.homeserver.namespace.bot)
        shown = [each.event_id for each in said if each.versions[0].get(THREAD, {}).get("name") == name]
        assert shown == [results[0]["root"]]


@pytest.mark.long
@pytest.mark.parametrize("point", _LEAVE)
async def test_an_agent_whose_leave_was_killed_stays_outside(stage: Stage, tmp_path: Path, point: str) -> None:
    """Nobody repeats the request: the comparison of the channel finds that the ghost was removed."""
    async with DoomedProcess(tmp_path, stage.config, point, "") as process:
        await process.wait_for("listening")
        added = await stage.owner.post(f"/v1/channels/{quote(stage.home)}/agents", agent="Ada")
        assert added.status == 200
        with contextlib.suppress(aiohttp.ClientError):
            await stage.ada.post(f"/v1/channels/{quote(stage.home)}/leave", f"leave {point}")
        assert await process.death() == -signal.SIGKILL
    async with BridgeProcess(tmp_path, stage.config) as successor:
        await successor.wait_for("listening")

        async def is_out() -> bool:
            query = "SELECT 1 FROM participant p JOIN room r ON r.id = p.room WHERE r.room_id = %s AND p.state = 'left'"
            return bool(await stage.database.rows(query, (stage.home,)))

        await eventually(is_out, "the agent takes part no more")
        assert (await stage.ada.post(f"/v1/channels/{quote(stage.home)}/leave", f"leave {point}")).status == 200
        assert (await stage.ada.post(f"/v1/channels/{quote(stage.home)}/leave")).code == "room_not_found"
