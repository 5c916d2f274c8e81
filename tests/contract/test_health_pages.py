"""Health over HTTP: alive is one thing, ready another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from agent_bridge.bridge.agents.upstream_status import Health
from agent_bridge.core.errors import BridgeError, HomeserverUnavailable, StoreError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.web import health as module
from agent_bridge.web.health import HealthPages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ALIVE, READY = ["/healthz", "/_matrix/mau/live"], ["/readyz", "/_matrix/mau/ready"]


class Patient:
    """What is looked at; well, until a test says otherwise."""

    def __init__(self) -> None:
        self.errors: dict[str, BridgeError] = {}
        self.silent = False
        self.upstreams = [Health("good", None, 3), Health("bad", "refused"), Health("new")]
        self.url = ""

    async def database(self) -> None:
        await self._check("database")

    async def homeserver(self) -> None:
        await self._check("homeserver")

    async def healths(self) -> list[Health]:
        """Return what is written down in the database."""
        if "database" in self.errors or "bulletin" in self.errors:
            raise StoreError("gone")
        return self.upstreams

    async def _check(self, name: str) -> None:
        if self.silent:
            await asyncio.Event().wait()
        if name in self.errors:
            raise self.errors[name]

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def patient() -> AsyncIterator[Patient]:
    patient = Patient()
    app = web.Application()
    checks = {"database": patient.database, "homeserver": patient.homeserver}
    HealthPages(checks, patient.healths).add_routes(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    patient.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield patient
    await runner.cleanup()


@pytest.mark.parametrize("path", ALIVE)
async def test_alive_needs_nobody_else(patient: Patient, path: str) -> None:
    patient.errors = {"database": StoreError("gone"), "homeserver": HomeserverUnavailable(Text("gone"))}
    assert await patient.get(path) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", READY)
async def test_ready_says_how_everything_is_and_upstreams_do_not_count(patient: Patient, path: str) -> None:
    upstreams = {"good": "ok", "bad": "refused", "new": "not asked yet"}
    expected = {"status": "ok", "database": "ok", "homeserver": "ok", "upstreams": upstreams}
    assert await patient.get(path) == (200, expected)


@pytest.mark.parametrize("path", READY)
@pytest.mark.parametrize("name", ["database", "homeserver"])
async def test_without_database_or_homeserver_it_is_not_ready(patient: Patient, path: str, name: str) -> None:
    patient.errors = {name: BridgeError("it is away")}
    status, body = await patient.get(path)
    assert (status, body["status"]) == (503, "unavailable")
    assert {key: body[key] for key in ("database", "homeserver")} == {
        "database": "ok",
        "homeserver": "ok",
        name: "it is away",
    }
    patient.errors = {}
    assert (await patient.get(path))[0] == 200


async def test_silence_is_an_answer(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    patient.silent = True
    status, body = await patient.get("/readyz")
    assert status == 503
    assert body["database"] == body["homeserver"] == "no answer within 0 s"


async def test_a_database_that_goes_away_between_two_questions_is_not_ready(patient: Patient) -> None:
    patient.errors = {"bulletin": StoreError("gone")}
    status, body = await patient.get("/readyz")
    assert (status, body["status"]) == (503, "unavailable")
