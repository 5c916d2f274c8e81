"""Health over HTTP: one page for a live process, another for a ready one."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.core.errors import BridgeError, HomeserverUnavailable, StoreError
from agent_bridge.core.upstreams import Health
from agent_bridge.i18n.catalogue import Text
from agent_bridge.web.health import HealthPages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_aiohttp import AiohttpClient

    #: Gets a path with headers; gives status and JSON.
    Pages = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]

ALIVE, READY = ["/healthz", "/_matrix/mau/live"], ["/readyz", "/_matrix/mau/ready"]


class Servers:
    """The database, the homeserver and the upstreams whose health the pages report."""

    def __init__(self, shared: float) -> None:
        #: Errors of "database", "homeserver" and "upstream_status".
        self.errors: dict[str, BridgeError] = {}
        #: Closed: the checks wait.
        self.gate = asyncio.Event()
        self.gate.set()
        #: Whether the checks never end.
        self.silent = False
        #: Seconds for which a report is shared.
        self.shared = shared
        #: Checks of each server.
        self.checks: Counter[str] = Counter()
        self.silent_table = False
        #: Set when a check that was cancelled may end.
        self.end = asyncio.Event()
        self.upstreams = [Health("good", None, 3), Health("bad", "refused"), Health("new")]

    async def check(self, name: str) -> None:
        self.checks[name] += 1
        await self.gate.wait()
        if self.silent:
            try:
                await asyncio.Event().wait()
            finally:
                # As a statement whose server does not answer the request to cancel it.
                await self.end.wait()
        if name in self.errors:
            raise self.errors[name]

    async def upstream_status(self) -> list[Health]:
        """Return the health of the upstreams from the database."""
        if self.silent_table:
            await asyncio.Event().wait()
        if self.errors.keys() & {"database", "upstream_status"}:
            raise StoreError("gone")
        return self.upstreams


@pytest.fixture
def servers(request: pytest.FixtureRequest) -> Servers:
    """Servers; the parameter is the time for which a report is shared."""
    return Servers(getattr(request, "param", 0.0))


@pytest.fixture
async def pages(servers: Servers, aiohttp_client: AiohttpClient) -> Pages:
    app = web.Application()
    checks = {name: partial(servers.check, name) for name in ("database", "homeserver")}
    HealthPages(
        checks,
        servers.upstream_status,
        lambda request: request.headers.get("Authorization") == "Bearer good",
        timeout=0.2,
        shared=servers.shared,
    ).add_routes(app)
    client = await aiohttp_client(app)

    async def get(path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        async with client.get(
            path, headers={name.replace("_", "-"): each for name, each in headers.items()}
        ) as response:
            return response.status, await response.json()

    return get


@pytest.mark.parametrize("path", ALIVE)
async def test_a_process_is_alive_without_any_server(servers: Servers, pages: Pages, path: str) -> None:
    servers.errors = {"database": StoreError("gone"), "homeserver": HomeserverUnavailable(Text("room_lost"))}
    assert await pages(path) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", READY)
async def test_the_report_of_a_ready_bridge_includes_failed_upstreams(pages: Pages, path: str) -> None:
    upstreams = {"good": "ok", "bad": "refused", "new": "not asked yet"}
    expected = {"status": "ok", "database": "ok", "homeserver": "ok", "upstreams": upstreams}
    assert await pages(path) == (200, expected)


@pytest.mark.parametrize("path", READY)
@pytest.mark.parametrize("name", ["database", "homeserver"])
async def test_without_database_or_homeserver_it_is_not_ready(
    servers: Servers, pages: Pages, path: str, name: str
) -> None:
    servers.errors = {name: BridgeError("it is away")}
    status, body = await pages(path)
    assert (status, body["status"]) == (503, "unavailable")
    assert {key: body[key] for key in ("database", "homeserver")} == {
        "database": "ok",
        "homeserver": "ok",
        name: "it is away",
    }
    servers.errors = {}
    assert (await pages(path))[0] == 200


async def test_a_check_without_an_answer_fails(servers: Servers, pages: Pages) -> None:
    servers.silent = True
    status, body = await pages("/readyz")
    assert status == 503
    assert body["database"] == body["homeserver"] == "no answer within 0.2 s"
    servers.end.set()


async def test_the_table_of_upstreams_has_a_limit_too(servers: Servers, pages: Pages) -> None:
    servers.silent_table = True
    status, body = await pages("/readyz")
    assert (status, body["database"], body["upstreams"]) == (503, "no answer within 0.2 s", {})


async def test_a_database_that_goes_away_between_two_questions_is_not_ready(servers: Servers, pages: Pages) -> None:
    servers.errors = {"upstream_status": StoreError("gone")}
    status, body = await pages("/readyz")
    assert (status, body["status"]) == (503, "unavailable")


async def test_many_questions_are_one_check(servers: Servers, pages: Pages) -> None:
    servers.gate.clear()
    asked = [asyncio.ensure_future(pages("/readyz")) for _ in range(50)]
    await asyncio.sleep(0.05)
    asked.pop().cancel()
    servers.gate.set()
    assert {status for status, _ in await asyncio.gather(*asked)} == {200}
    assert servers.checks == {"database": 1, "homeserver": 1}


@pytest.mark.parametrize(("servers", "checks"), [(3600.0, 1), (0.0, 3)], indirect=["servers"])
async def test_a_report_is_shared_for_a_while(servers: Servers, pages: Pages, checks: int) -> None:
    for _ in range(3):
        assert (await pages("/readyz"))[0] == 200
    assert servers.checks == {"database": checks, "homeserver": checks}


@pytest.mark.parametrize("header", ["X-Forwarded-For", "forwarded", "X-Real-IP", "Via"])
async def test_others_see_whether_it_is_ready_and_no_details(servers: Servers, pages: Pages, header: str) -> None:
    proxied = {header: "203.0.113.9"}
    assert await pages("/readyz", **proxied) == (200, {"status": "ok"})
    servers.errors = {"database": StoreError("secret detail")}
    assert await pages("/readyz", **proxied) == (503, {"status": "unavailable"})
    assert await pages("/readyz", **proxied, Authorization="Bearer bad") == (503, {"status": "unavailable"})
    _, body = await pages("/readyz", **proxied, Authorization="Bearer good")
    assert body["database"] == "secret detail"
