"""The doctor tells whether devices of the bridge can serve encrypted rooms and event streams."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from agent_bridge.cli import encryption_check
from agent_bridge.cli.doctor import Doctor
from agent_bridge.cli.encryption_check import Arrivals, look_at_keys, look_at_streams
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.encryption.vault import Vault
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness

UPSTREAMS = [{"name": "unused", "url": "http://127.0.0.1:9"}]


@pytest.fixture
def config(harness: BridgeHarness, database_url: str) -> Config:
    return harness.config(database_url, UPSTREAMS, encryption={"allow": True})


@asynccontextmanager
async def homeserver_of(config: Config, kind: type[Homeserver] = Homeserver) -> AsyncIterator[Homeserver]:
    async with homeserver_session() as session:
        token = config.appservice.as_token.get_secret_value()
        yield kind(config.homeserver.address, token, config.namespace, session)


async def take_all(config: Config, homeserver: Homeserver) -> None:
    """Take the events that earlier tests have left: the doctor takes none, and cannot tell of those behind them."""
    room_id = (await homeserver.create_room({})).room_id
    last = await homeserver.send(room_id, {"msgtype": "m.text", "body": "the last event"}, txn_id="last")
    came = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        if last in await request.text():
            came.set()
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/_matrix/app/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, config.appservice.hostname, config.appservice.port).start()
        await homeserver.ping(config.appservice.id)
        async with asyncio.timeout(30):
            await came.wait()
    finally:
        await runner.cleanup()


async def test_a_homeserver_that_serves_keys(config: Config, tmp_path: Path) -> None:
    doctor, bot = Doctor(config, tmp_path / "config.yaml", tmp_path / "registration.yaml"), config.namespace.bot
    async with homeserver_of(config) as homeserver:
        await take_all(config, homeserver)
        before = await homeserver.devices(bot)
        found = await doctor._devices(homeserver)
        text = f"ok    encryption: {bot} gets its device in its first encrypted room; messages to devices arrive"
        assert str(found) == text
        # The probe leaves nothing behind.
        assert await homeserver.devices(bot) == before


async def test_messages_to_devices_that_do_not_arrive(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption_check, "_PATIENCE", 0.1)
    async with homeserver_of(config) as homeserver:
        # Nobody listens, as if the homeserver did not send them.
        remedy, text = await look_at_keys(config, homeserver, Arrivals())
        assert "msc2409_to_device_messages_enabled: true" in remedy
        assert "delivers no messages to devices" in text
        assert (await look_at_keys(config, homeserver, None))[0] == ""


async def test_the_device_of_the_bot_is_compared(config: Config, database_url: str) -> None:
    bot, token = config.namespace.bot, config.appservice.as_token.get_secret_value()
    async with homeserver_of(config) as homeserver, Database(database_url) as database:
        async with Vault(database.uri, homeserver, token) as vault:
            device = await vault.ensure_device(bot)
        remedy, text = await look_at_keys(config, homeserver, None)
        assert (remedy, text.partition(";")[0]) == ("", f"{bot} has the device {device}, which is signed")
        other = config.model_copy(
            update={"encryption": config.encryption.model_copy(update={"secret": SecretStr("x")})}
        )
        remedy, text = await look_at_keys(other, homeserver, None)
        assert "encryption.secret" in remedy
        assert "does not open" in text
        await homeserver.delete_device(bot, device)
        remedy, text = await look_at_keys(config, homeserver, None)
        assert "DROP SCHEMA encryption" in remedy
        assert f"does not know the device {device}" in text


class _WithoutDevices(Homeserver):
    async def make_device(self, user_id: str, device_id: str) -> None:
        raise HomeserverRefused(Text("homeserver_refused", said=f"{user_id} {device_id}"), status=404)


class _WithoutMasquerade(Homeserver):
    async def upload_keys(self, user_id: str, device_id: str, content: dict[str, Any]) -> dict[str, Any]:
        raise HomeserverRefused(Text("homeserver_refused", said=f"{user_id} {device_id} {content}"), status=400)


@pytest.mark.parametrize(
    ("kind", "key"), [(_WithoutDevices, "io.element.msc4190"), (_WithoutMasquerade, "org.matrix.msc3202")]
)
async def test_a_registration_without_a_key(config: Config, kind: type[Homeserver], key: str) -> None:
    async with homeserver_of(config, kind) as homeserver:
        remedy, _ = await look_at_keys(config, homeserver, None)
        assert f"{key}: true: agent-bridge registration --force" in remedy


async def test_devices_can_subscribe_to_growing_answers(
    harness: BridgeHarness, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = harness.config(database_url, UPSTREAMS, answers={"event_streams": True})
    doctor = Doctor(config, tmp_path / "config.yaml", tmp_path / "registration.yaml")
    async with homeserver_of(config) as homeserver:
        await take_all(config, homeserver)
        before = await homeserver.devices(config.namespace.bot)
        found = await doctor._devices(homeserver)
        assert str(found) == "ok    event streams: agents get devices; messages to devices arrive"
        assert await homeserver.devices(config.namespace.bot) == before
        monkeypatch.setattr(encryption_check, "_PATIENCE", 0.1)
        remedy, text = await look_at_streams(homeserver, Arrivals())
        assert "{msc2409_to_device_messages_enabled: true}" in remedy
        assert "answers grow by edits" in text
    async with homeserver_of(config, _WithoutDevices) as homeserver:
        remedy, _ = await look_at_streams(homeserver, None)
        assert "io.element.msc4190: true" in remedy
