"""``agent-bridge uninstall``: nothing of the bridge is left on the homeserver, and rooms of people stay."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.demo.account import call
from agent_bridge.store.postgres.database import Database
from support.conditions import eventually
from support.harness import new_harness
from support.process import run_command, write_config
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.harness import BridgeHarness

BOT = "@agentbridge:test.local"


@pytest.fixture(scope="module")
async def lonely() -> AsyncIterator[BridgeHarness]:
    """A homeserver without the rooms of other tests, which would be removed too."""
    async with new_harness() as running:
        yield running


@asynccontextmanager
async def administration(harness: BridgeHarness) -> AsyncIterator[aiohttp.ClientSession]:
    """Give the admin API of the homeserver."""
    token = await harness.synapse.register_user(f"root{uuid4().hex}", "password", admin=True)
    async with aiohttp.ClientSession(harness.synapse.url, headers={"Authorization": f"Bearer {token}"}) as http:
        yield http


async def members(http: aiohttp.ClientSession, room_id: str) -> list[str] | None:
    """Return the members of a room on the homeserver; None if it was deleted."""
    try:
        answer = await call(http, "GET", f"/_synapse/admin/v1/rooms/{quote(room_id)}/members")
    except HomeserverRefused:
        return None
    return list(answer["members"])


async def is_deactivated(http: aiohttp.ClientSession, user: str) -> bool:
    return bool((await call(http, "GET", f"/_synapse/admin/v2/users/{quote(user)}"))["deactivated"])


@pytest.mark.parametrize(
    "is_admin", [pytest.param(True, id="deletes"), pytest.param(False, id="leaves", marks=pytest.mark.long)]
)
async def test_nothing_is_left_but_the_rooms_of_people(
    lonely: BridgeHarness, database_url: str, tmp_path: Path, *, is_admin: bool
) -> None:
    async with (
        ScriptedUpstream("a", "b") as upstream,
        lonely.person() as person,
        administration(lonely) as http,
    ):
        config = lonely.config(database_url, [{"name": "u", "url": upstream.url}], space={})
        file = str(write_config(tmp_path, config))
        async with lonely.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            await call(http, "PUT", f"/_synapse/admin/v1/users/{quote(BOT)}/admin", {"admin": is_admin})
            other = await running.contact(upstream.names[1])
            await talk.command(f"new @{upstream.names[0]} Oslo")
            await person.wait_for(lambda: person.invites, 15)
            (chat,) = person.invites
            await person.join(chat)
            # A room of a person, with an alias like those of the bridge.
            own = await person.create_room(room_alias_name=f"ab_{upstream.names[0]}", invite=[talk.ghost])

            async def entered() -> bool:
                return talk.ghost in (await members(http, own) or ())

            await eventually(entered, "the agent is in the room of the person", 15)
            namespace = running.homeserver.namespace
            space = await running.homeserver.resolve_alias(namespace.alias(namespace.space_alias_localpart)) or ""
            await running.homeserver.make_device(BOT, "AB0123456789")
            code, output = await run_command("uninstall", "--config", file, "--yes")
            assert (code, output) == (3, "A process of the bridge runs. Stop all of them first.\n")
        rooms = [talk.room_id, other.home.room_id or "", chat, space]
        code, output = await run_command("uninstall", "--config", file)
        assert code == 3
        assert "2 rooms of agents, 1 chat, 1 Space" in output
        assert "2 ghosts are deactivated: names can never be used again" in output
        assert "1 person loses these rooms" in output
        assert all([await members(http, room) for room in rooms])
        code, output = await run_command("uninstall", "--config", file, "--yes")
        assert (code, output.splitlines()[-1]) == (
            0,
            "Done. Stop here, or remove the database and registration.yaml.",
        )
        for room in rooms:
            assert not await members(http, room)
        assert await members(http, own) == [person.user_id]
        ghosts = [talk.ghost, namespace.user_id(other.agent.ghost)]
        assert all([await is_deactivated(http, ghost) for ghost in ghosts])
        assert not await is_deactivated(http, BOT)
        devices = await call(http, "GET", f"/_synapse/admin/v2/users/{quote(BOT)}/devices")
        assert "AB0123456789" not in {each["device_id"] for each in devices["devices"]}
        for ghost in ghosts:
            with pytest.raises(HomeserverRefused):
                await person.ask("GET", f"/directory/room/{quote('#' + ghost[1:])}")
        # A run that was killed before it recorded the last ghost goes on.
        await _forget(database_url)
        code, output = await run_command("uninstall", "--config", file, "--yes")
        assert code == 0, output


@pytest.mark.long
async def test_no_device_for_encrypted_rooms_is_left(lonely: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    pytest.importorskip("vodozemac")
    from support.encrypted_person import encrypted_person

    async with ScriptedUpstream("a") as upstream, encrypted_person(lonely, tmp_path) as person:
        config = lonely.config(database_url, [{"name": "u", "url": upstream.url}], encryption={"allow": True})
        users = [BOT, config.namespace.user_id(config.namespace.localpart(upstream.names[0]))]
        async with lonely.bridge(config) as running:
            await running.contact(upstream.names[0])
            room_id = await person.create_room(users[1])
            await person.meets(room_id, users[1])
            await person.say(room_id, "hello")
            await person.hears(room_id, users[1], "Echo: hello")

            async def has_devices() -> bool:
                return all([(await person.query_keys(user))["device_keys"].get(user) for user in users])

            await eventually(has_devices, "the agent and the bot have devices")
        code, output = await run_command("uninstall", "--config", str(write_config(tmp_path, config)), "--yes")
        assert code == 0, output
        for user in users:
            assert not (await person.query_keys(user))["device_keys"].get(user)


async def _forget(database_url: str) -> None:
    async with Database(database_url) as database:
        await database.execute("UPDATE agent SET deactivated = false")
