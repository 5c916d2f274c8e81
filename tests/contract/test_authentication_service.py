"""A homeserver whose accounts belong to an authentication service: what doctor says, and what the homeserver does."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING

import aiohttp
import pytest
from mautrix.api import Method, Path

from agent_bridge.cli.doctor import Doctor
from agent_bridge.config.model import Config
from agent_bridge.config.registration import registration, to_yaml
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable
from agent_bridge.demo.account import call
from agent_bridge.demo.synapse import Synapse
from agent_bridge.matrix.admin import delete_room, is_server_administrator, join_user
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.server_facts import auth_service, software
from agent_bridge.matrix.session import homeserver_session
from support.auth_service import ADMIN_TOKEN, SECRET, AuthService
from support.fault_server import FaultServer, Reply
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path as File

    from support.harness import BridgeHarness

DOMAIN = "auth.test"


def config(address: str, *, admin: bool = False) -> Config:
    return Config.model_validate(
        {
            "homeserver": {"address": address, "domain": DOMAIN, "admin": admin},
            "appservice": {"as_token": "a" * 40, "hs_token": "b" * 40},
            "database": {"url": "postgresql://nobody@127.0.0.1:9/none"},
            "upstreams": [],
        }
    )


@pytest.fixture(scope="module")
async def service() -> AsyncIterator[AuthService]:
    async with AuthService() as running:
        yield running


@pytest.fixture(scope="module")
async def synapse(service: AuthService) -> AsyncIterator[Synapse]:
    """A Synapse whose accounts belong to *service*, and that knows the bridge."""
    with temporary_folder("ab-auth-") as folder:
        file = folder / "registration.yaml"
        file.write_text(to_yaml(registration(config("http://127.0.0.1:9"))))
        async with Synapse(folder / "synapse", DOMAIN, registrations=[file], start=service.start_synapse) as running:
            yield running


@pytest.fixture
async def homeserver(synapse: Synapse) -> AsyncIterator[Homeserver]:
    async with homeserver_session() as session:
        yield Homeserver(synapse.url, "a" * 40, config(synapse.url).namespace, session)


def session(synapse: Synapse, token: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(synapse.url, headers={"Authorization": f"Bearer {token}"})


async def doctor_says(settings: Config, folder: File) -> dict[str, str]:
    """Return the findings of doctor about the homeserver, by the names of the checks."""
    file = folder / "config.yaml"
    file.touch(mode=0o600)
    findings = [each async for each in Doctor(settings, file, folder / "registration.yaml").findings()]
    return {each.check: str(each) for each in findings}


async def test_doctor_says_how_the_homeserver_differs(synapse: Synapse, service: AuthService, tmp_path: File) -> None:
    said = await doctor_says(config(synapse.url), tmp_path)
    assert said["homeserver"] == f"ok    homeserver: {synapse.url} answers, Synapse {version('matrix-synapse')}"
    assert said["authentication"].startswith(
        f"ok    authentication: the accounts belong to {service.root_url}/: the bridge works, but its bot cannot be"
    )
    assert "or homeserver.admin" not in said["invitations"]
    assert said["as_token"].startswith("ok")
    said = await doctor_says(config(synapse.url, admin=True), tmp_path)
    assert said["invitations"].startswith("FAIL  invitations: homeserver.admin is true, which has no effect")
    assert "set homeserver.admin: false; auto_accept_invites" in said["invitations"]


async def test_the_bridge_has_its_users_but_no_rights_of_an_administrator(
    synapse: Synapse, homeserver: Homeserver
) -> None:
    bot, ghost = homeserver.namespace.bot, homeserver.namespace.user_id("agent_a")
    for name in ("agentbridge", "agent_a"):
        await homeserver.register(name)
    assert await homeserver.whoami(ghost) == ghost
    await homeserver.set_displayname(ghost, "Ada")
    # The service makes the accounts of people, and its administrators make those of Synapse.
    async with session(synapse, SECRET) as http:
        for name in ("admin", "alice"):
            await call(http, "POST", "/_synapse/mas/provision_user", {"localpart": name})
    async with session(synapse, ADMIN_TOKEN) as http:
        account = await call(http, "PUT", f"/_synapse/admin/v2/users/{bot}", {"admin": True})
    assert account["admin"] is True
    assert not await is_server_administrator(homeserver), "the rights belong to tokens of the service"
    room = (await homeserver.request(Method.POST, Path.v3.createRoom, {}))["room_id"]
    with pytest.raises(HomeserverRefused, match="not a server admin"):
        await join_user(homeserver, room, f"@alice:{DOMAIN}")
    assert await delete_room(homeserver, room) is None
    with pytest.raises(HomeserverRefused, match="M_UNRECOGNIZED"):
        await homeserver.deactivate(ghost)
    async with session(synapse, ADMIN_TOKEN) as http:
        await call(http, "POST", f"/_synapse/admin/v1/deactivate/{ghost}", {"erase": True})


async def test_a_homeserver_with_accounts_of_its_own_has_no_such_line(harness: BridgeHarness, tmp_path: File) -> None:
    settings = harness.config("postgresql://nobody@127.0.0.1:9/none", [])
    said = await doctor_says(settings, tmp_path)
    assert "authentication" not in said
    assert "or homeserver.admin: true the bridge" in said["invitations"]
    async with homeserver_session() as session:
        own = Homeserver(
            settings.homeserver.address, settings.appservice.as_token.get_secret_value(), settings.namespace, session
        )
        assert await auth_service(own) is None
        assert (await software(own)).startswith("Synapse 1.")


async def test_a_path_that_nobody_serves_is_no_service(wire: FaultServer) -> None:
    settings = config(wire.url.removesuffix("/v1"))
    wire.script(*[Reply(404, {"Content-Type": "text/plain"}, (b"404 page not found",))] * 2)
    async with homeserver_session() as session:
        assert await auth_service(Homeserver(settings.homeserver.address, "token", settings.namespace, session)) is None


@pytest.mark.parametrize("has_head", [True, False])
async def test_a_homeserver_that_hangs_is_not_waited_for(wire: FaultServer, *, has_head: bool) -> None:
    settings = config(wire.root_url)
    wire.script(*[Reply(200, {"Content-Type": "application/json"}, then="hang", head=has_head)] * 2)
    async with homeserver_session() as session, asyncio.timeout(5):
        homeserver = Homeserver(settings.homeserver.address, "token", settings.namespace, session)
        assert await software(homeserver, patience=0.2) == ""
        with pytest.raises(HomeserverUnavailable, match=r"no response within 0\.2 s"):
            await auth_service(homeserver, patience=0.2)


async def test_a_service_that_is_away_is_a_fault(synapse: Synapse, service: AuthService, tmp_path: File) -> None:
    """Synapse keeps the metadata, so it is asked after a start."""
    service.is_away = True
    try:
        await synapse.restart()
        said = await doctor_says(config(synapse.url), tmp_path)
    finally:
        service.is_away = False
    assert said["authentication"].startswith("FAIL  authentication: ")
    assert "check that the authentication service of the homeserver runs" in said["authentication"]
    assert said["as_token"].startswith("ok"), "the bridge needs no service"
