"""Long work tells its progress: entries that survive a SIGKILL, and a message to the person who asked for it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.operations import DELETE, PROVISION, OperationEntry, OperationState
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.postgres.database import Database
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN
from support.process import BridgeProcess
from support.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

_AGENTS = 12


def slow(proxy: Proxy, word: str, seconds: float) -> None:
    """Have the requests whose paths have *word* take some time."""

    def holds(_number: int, _method: str, path: str) -> asyncio.Event | None:
        if word not in path:
            return None
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, over.set)
        return over

    proxy.holds = holds


async def entry(database: Database, kind: str, state: OperationState) -> OperationEntry | None:
    found = await OperationStore(database).entries()
    return next((each for each in found if each.kind == kind and each.state is state), None)


async def test_the_first_discovery_has_an_entry_which_survives_a_kill(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    names = [f"Agent{number}" for number in range(_AGENTS)]
    async with (
        named_upstream(*names) as upstream,
        Proxy(harness.synapse.url) as proxy,
        harness.person("admin") as admin,
        Database(database_url) as database,
    ):
        config = harness.config(
            database_url,
            [{"name": "u", "url": upstream.url}],
            homeserver={"address": proxy.url, "domain": DOMAIN},
            rooms={"concurrency": 2},
            logging={"format": "json"},
        )
        slow(proxy, "createRoom", 0.9)
        async with BridgeProcess(tmp_path, config) as process:
            await process.wait_for("listening")
            begun = await eventually(
                partial(entry, database, PROVISION, OperationState.RUNNING), "the discovery has an entry"
            )
            assert (begun.total, begun.done < _AGENTS) == (_AGENTS, True)
            await process.kill()
        # Another process goes on with it.
        async with harness.bridge(config) as running:
            desk = await bot_chat(running, admin)
            assert f"In progress: rooms and names of agents, {begun.done}" in (await desk.ask("status")).body
            slow(proxy, "createRoom", 0)
            ended = await eventually(
                partial(entry, database, PROVISION, OperationState.DONE), "the discovery is done", 30
            )
            assert (ended.id, ended.done, ended.error) == (begun.id, ended.total, None)
            assert len(await database.rows("SELECT 1 FROM room WHERE kind = 'home' AND room_id IS NOT NULL")) == _AGENTS
            assert "In progress" not in (await desk.ask("status")).body


@pytest.mark.long
async def test_a_long_deletion_is_shown_in_the_answer_to_its_command(harness: BridgeHarness, database_url: str) -> None:
    async with (
        named_upstream("Ada") as upstream,
        Proxy(harness.synapse.url) as proxy,
        harness.person("admin") as admin,
    ):
        config = harness.config(
            database_url,
            [{"name": "u", "url": upstream.url}],
            homeserver={"address": proxy.url, "domain": DOMAIN},
            permissions={DOMAIN: "member", admin.user_id: "owner"},
        )
        async with harness.bridge(config) as running:
            desk = await bot_chat(running, admin)
            assert "is ready" in (await desk.ask("server new Lab")).body
            for name in ("one", "two", "three"):
                assert "is ready" in (await desk.ask(f"channel new Lab/{name}")).body
            # A short one shows nothing beyond its answer.
            assert "is being deleted" in (await desk.ask('channel delete "Lab/one" yes')).body
            await eventually(partial(entry, running.database, DELETE, OperationState.DONE), "the channel is deleted")
            assert "is being deleted" in desk.said()[-1].body
            slow(proxy, "/leave", 1.5)
            before = len(desk.said())
            await desk.ask("server delete Lab yes")
            versions: set[str] = set()

            async def ended() -> bool:
                versions.add(desk.said()[-1].body)
                return "is deleted: 3 rooms" in desk.said()[-1].body

            await eventually(ended, "the deletion is told", 30)
            assert any(each.startswith("Deleting the rooms of Lab: ") for each in versions), versions
            assert len(desk.said()) == before + 1
            found = [each for each in await OperationStore(running.database).entries() if each.kind == DELETE]
            assert [(each.note, each.done, each.requested_by) for each in found] == [
                ("Lab", 3, admin.user_id),
                ("one", 1, admin.user_id),
            ]
