"""A reload on real servers: changes of the configuration count in all processes, or nothing does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.config.source import ConfigSource
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.process import run_command, write_config
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server

LEVELS = "m.room.power_levels"
ADMIN = f"@admin:{DOMAIN}"


@dataclass
class Reloading:
    """A bridge with a file, which tests change."""

    harness: BridgeHarness
    running: Running
    upstream: ScriptedUpstream
    folder: Path
    database_url: str
    sections: dict[str, Any]

    async def change(self, **sections: Any) -> str:
        """Write *sections* into the file, have ``agent-bridge reload`` apply it, and return what it says."""
        self.sections |= sections
        self.write()
        code, said = await self.command()
        assert code == 0, said
        return said

    def write(self) -> Path:
        config = self.harness.config(
            self.database_url, [{"name": "up", "url": self.upstream.url}], service=SHARED, **self.sections
        )
        return write_config(self.folder, config)

    async def command(self) -> tuple[int, str]:
        code, said = await run_command("reload", "--config", str(self.folder / "config.yaml"))
        return code, said.strip()


@pytest.fixture(scope="module")
async def reloading(
    harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Reloading]:
    """A bridge that the tests of this file share."""
    folder = tmp_path_factory.mktemp("reload")
    with postgres.migrated() as database_url:
        async with ScriptedUpstream("Ada", "Bea") as upstream:
            permissions = {DOMAIN: "member", ADMIN: "owner"}
            sections: dict[str, Any] = {"permissions": permissions, "rooms": {"join_rule": "restricted"}}
            made = Reloading(harness, None, upstream, folder, database_url, sections)  # type: ignore[arg-type]
            source = ConfigSource(made.write())
            async with harness.bridge(source.read(), source=source) as running:
                made.running = running
                for name in upstream.names:
                    await running.contact(name)
                yield made


async def level(running: Running, room_id: str, user: str) -> int | None:
    event = await running.homeserver.state(room_id, LEVELS)
    return None if event is None else event["content"]["users"].get(user)


async def homes(running: Running) -> list[str]:
    return [each.home.room_id or "" for each in await running.agents.all()]


async def test_permissions_become_levels_in_all_rooms(reloading: Reloading) -> None:
    running = reloading.running
    async with reloading.harness.person() as bob:
        permissions = reloading.sections["permissions"]
        assert await reloading.change(permissions=permissions | {bob.user_id: "moderator"}) == (
            "These changes count now: permissions."
        )

        async def everywhere(wanted: int | None) -> bool:
            return all([await level(running, room_id, bob.user_id) == wanted for room_id in await homes(running)])

        await eventually(partial(everywhere, 50), "bob is a moderator in all rooms", 5)
        # A role that a person gave stays.
        async with reloading.harness.person("admin") as admin:
            desk = await bot_chat(running, admin)
            await desk.ask(f"role {bob.user_id} admin")
            await reloading.change(permissions=permissions)
            assert (await desk.ask(f"role {bob.user_id}")).body.startswith(f"{bob.user_id} is an admin")
            await desk.ask(f"role {bob.user_id} default")
            await eventually(partial(everywhere, None), "bob has no level any more", 5)
