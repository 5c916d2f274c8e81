"""The admin page with a database that is away or frozen, with several processes, and behind reverse proxies."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from agent_bridge.admin.routes import WorkLimiter
from agent_bridge.core.errors import StoreError
from agent_bridge.core.roles import Role
from agent_bridge.demo.synapse import free_port
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.roles import RoleStore
from agent_bridge.web.loop_watchdog import LoopWatchdog
from support.admin_page import browser, link_of, served, visitor
from support.admin_rows import fill
from support.conditions import eventually
from support.fault_server import Reply
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.fault_server import FaultServer

ADMIN = "@admin:test.local"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[Line]:
    where = conninfo_to_dict(database_url)
    host, port = where["host"], int(where.get("port") or 5432)
    async with Line(f"{host}/.s.PGSQL.{port}" if str(host).startswith("/") else port) as line:
        yield line


async def test_a_database_that_is_away_or_frozen_is_told_soon(
    database_url: str, database: Database, line: Line
) -> None:
    name = conninfo_to_dict(database_url)["dbname"]
    url = f"postgresql://postgres@127.0.0.1:{line.port}/{name}"
    async with served(url) as address, visitor(address, database, ADMIN) as admin:
        await line.cut()
        answer = await admin.get("/agents")
        assert (answer.status, "database does not answer" in answer.text) == (503, True)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        await line.mend()

        async def works() -> bool:
            return (await admin.get("/agents")).status == 200

        # The session outlives it.
        await eventually(works, "the page works again")
        line.silence()
        async with asyncio.timeout(25):
            answers = await asyncio.gather(
                *(admin.get(path) for path in ("", "/agents", "/failures", "/lanes", "/usage"))
            )
        assert {each.status for each in answers} <= {200, 503}
        assert 503 in {each.status for each in answers}
        # What needs no database is there at once.
        async with asyncio.timeout(2):
            assert (await admin.get("/login")).status == 200
        await eventually(works, "the page works again", within=60)


async def test_a_trace_with_a_silent_homeserver_is_a_page(database_url: str, database: Database) -> None:
    """It has the menu, and tells of no link of the bot: the person is signed in."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    address = "http://{}:{}".format(*silent.sockets[0].getsockname())
    async with (
        silent,
        served(database_url, homeserver={"address": address, "domain": "test.local"}) as url,
        visitor(url, database, ADMIN) as admin,
    ):
        answer = await admin.get("/trace?message=https://matrix.to/%23/!no:test.local/$event")
        assert (answer.status, "homeserver cannot be reached" in answer.text) == (200, True), answer.text
        assert 'href="/admin/failures"' in answer.html
        assert "link of the bot" not in answer.text


async def test_a_homeserver_with_an_odd_answer_about_openid_is_told(
    database_url: str, wire: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    bodies = (
        *(b"<html>", b"[" * 9_000, b"x" * 20_000, b"[]", b"{}", b'{"sub": 7}', b'{"sub": "admin"}'),
        # PostgreSQL has no such text.
        *(b'{"sub": "@\\ud800:test.local"}', b'{"sub": "@\\u0000:test.local"}'),
    )
    token = json.dumps({"access_token": "opaque", "matrix_server_name": "test.local"})
    async with (
        served(
            database_url,
            homeserver={"address": wire.root_url, "domain": "test.local"},
            admin={"enabled": True, "openid": True},
            permissions={"test.local": "admin"},
        ) as url,
        browser(url) as person,
    ):
        for body in bodies:
            wire.script(Reply(200, {"Content-Type": "application/json"}, (body,)))
            answer = await person.post("/login/openid", {"token": token})
            assert (answer.status, answer.cookies) == (502, {}), (body[:50], answer.text)
            assert "homeserver gives no valid answer" in answer.text
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


async def test_a_long_configuration_does_not_block_the_event_loop(database_url: str, database: Database) -> None:
    agents = [{"id": f"agent{number}", "label": f"Agent {number}", "model": "m"} for number in range(1500)]
    async with served(database_url, agents=agents) as url, visitor(url, database, ADMIN) as admin:
        await admin.get("/configuration")
        async with LoopWatchdog() as watchdog:
            answer = await admin.get("/configuration")
        assert (answer.status, "agents[agent1499].model" in answer.html) == (200, True)
        assert max((each.computed for each in watchdog.stalls), default=0.0) < 0.1, watchdog.stalls


async def test_work_that_hangs_takes_few_places() -> None:
    limiter, begun = WorkLimiter(within=0.1, most=2), 0
    gate = asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        while not gate.is_set():
            # As a statement does whose cancellation waits for the server.
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue

    try:
        for _ in range(6):
            with pytest.raises(StoreError):
                async with asyncio.timeout(5):
                    await limiter.wait_for(work())
        assert begun == 2
    finally:
        gate.set()

    async def quick() -> str:
        return "done"

    await asyncio.sleep(0)
    assert await limiter.wait_for(quick()) == "done"


async def test_all_processes_know_a_session(database_url: str, database: Database) -> None:
    async with served(database_url) as one, served(database_url) as two, visitor(one, database, ADMIN) as admin:
        cookie = admin.cookie
        header = {"Cookie": cookie}
        async with browser(two) as other:
            shown = await other.get("/log", **header)
            assert shown.status == 200
            # A form of one process is taken by the other.
            answer = await other.post("/logout", {"form": (await admin.get()).form_token}, **header)
            assert answer.headers["Location"] == "/admin/login"
        assert (await admin.get()).status == 303


async def test_two_bridges_on_a_host_are_signed_in_to_at_once(database_url: str, database: Database) -> None:
    """Cookies have no port."""
    names = set()
    for bridge in ("one", "two"):
        service = {"as_token": "as-secret-token", "hs_token": "hs-secret-token", "id": bridge, "port": free_port()}
        async with served(database_url, appservice=service) as url, visitor(url, database, ADMIN) as admin:
            names.add(admin.cookie.partition("=")[0])
    assert len(names) == 2


async def test_a_process_that_has_missed_a_change_of_roles_reads_them(database_url: str, database: Database) -> None:
    """It neither ends the sessions of a new admin, nor lets a former one sign in."""
    store, others = RoleStore(database), {"test.local": Role.MEMBER}
    async with served(database_url) as stale:
        await store.publish(others | {"@new:test.local": Role.ADMIN})
        async with served(database_url) as fresh, visitor(fresh, database, "@new:test.local") as new:
            cookie = new.cookie
            async with browser(stale) as other:
                assert (await other.get("", Cookie=cookie)).status == 200
                link = await link_of(database, "@new:test.local")
                await store.publish(others)
                assert (await other.post(link)).status == 403
                await store.publish(others | {"@new:test.local": Role.ADMIN})
                assert (await other.post(await link_of(database, "@new:test.local"))).status == 303


async def test_a_session_outlives_a_restart(database_url: str, database: Database) -> None:
    async with served(database_url) as one, visitor(one, database, ADMIN) as admin:
        cookie = admin.cookie
    async with served(database_url) as two, browser(two) as again:
        assert (await again.get("", Cookie=cookie)).status == 200


async def test_a_link_is_used_once_by_two_processes_at_the_same_time(database_url: str, database: Database) -> None:
    async with served(database_url) as one, served(database_url) as two, browser(one) as first, browser(two) as second:
        for _ in range(4):
            path = await link_of(database, ADMIN)
            answers = await asyncio.gather(first.post(path), second.post(path), first.post(path), second.post(path))
            assert sorted(each.status for each in answers) == [303, 403, 403, 403]


async def test_the_process_ends_although_somebody_looks_at_the_live_activity(
    database_url: str, database: Database
) -> None:
    async with AsyncExitStack() as process, AsyncExitStack() as people:
        url = await process.enter_async_context(served(database_url))
        admin = await people.enter_async_context(visitor(url, database, ADMIN))
        stream = await people.enter_async_context(admin.session.get(f"{url}/admin/events"))
        assert stream.status == 200
        await stream.content.readline()
        async with asyncio.timeout(20):
            await process.aclose()


async def test_a_session_has_an_end(database_url: str, database: Database) -> None:
    async with served(database_url, admin={"enabled": True, "session_hours": 2}) as url, browser(url) as admin:
        answer = await admin.post(await link_of(database, ADMIN))
        (cookie,) = answer.cookies.values()
        assert cookie["max-age"] == "7200"
        await database.execute("UPDATE admin_session SET expires_at = now()")
        assert (await admin.get()).status == 303


async def test_a_person_has_ten_sessions(database_url: str, database: Database) -> None:
    async with served(database_url) as url:
        for _ in range(12):
            async with browser(url) as admin:
                await admin.post(await link_of(database, ADMIN))
        row = await database.row("SELECT count(*) AS n FROM admin_session")
        assert row is not None
        assert row["n"] == 10


@pytest.mark.parametrize("trusted", [True, False])
async def test_only_trusted_proxies_tell_of_https(database_url: str, database: Database, *, trusted: bool) -> None:
    api = {"trusted_proxies": ["127.0.0.1"] if trusted else []}
    async with served(database_url, api=api) as url, browser(url) as admin:
        path = await link_of(database, ADMIN)
        secure = url.replace("http://", "https://")
        answer = await admin.post(path, origin=secure if trusted else url, X_Forwarded_Proto="https")
        (cookie,) = answer.cookies.values()
        name = cookie.key.removeprefix("__Host-")
        if trusted:
            assert (cookie.key, cookie["secure"], cookie["path"]) == (f"__Host-{name}", True, "/")
            # Behind HTTPS neither a page without it nor a cookie that a neighbour wrote counts.
            header = {"X_Forwarded_Proto": "https", "Cookie": f"{name}={cookie.value}"}
            assert (await admin.get("", **header)).status == 303
            header["Cookie"] = f"__Host-{name}={cookie.value}"
            shown = await admin.get("", **header)
            assert shown.status == 200
            plain = await admin.post("/logout", {"form": shown.form_token}, origin=url, **header)
            assert plain.status == 403
        else:
            assert (cookie.key, cookie["secure"]) == (name, "")


async def test_the_public_address_is_that_of_forms(database_url: str, database: Database) -> None:
    """A proxy may change the host of requests."""
    api = {"public_url": "https://bridge.example.org"}
    async with served(database_url) as url, browser(url) as admin:
        refused = await admin.post(await link_of(database, ADMIN), origin="https://bridge.example.org")
        assert (refused.status, "api.public_url" in refused.text) == (403, True)
    async with served(database_url, api=api) as url, browser(url) as admin:
        path = await link_of(database, ADMIN)
        assert (await admin.post(path, origin="https://bridge.example.org.evil.example")).status == 403
        assert (await admin.post(path, origin="https://bridge.example.org:444")).status == 403
        assert (await admin.post(path, origin="https://bridge.example.org")).status == 303


async def test_every_method_is_answered_within_the_policy(database_url: str, database: Database) -> None:
    """Also the stream is; and a question for its head opens none."""
    async with served(database_url) as address, visitor(address, database, ADMIN) as admin:
        for method, path in [("PUT", ""), ("OPTIONS", ""), ("DELETE", "/agents"), ("HEAD", "/events")]:
            async with admin.session.request(method, f"{address}/admin{path}") as answer:
                assert (answer.status, "Content-Security-Policy" in answer.headers) == (404, True), (method, path)
        assert (await admin.post("", {})).status == 404
        async with admin.session.get(f"{address}/admin/events") as answer:
            assert answer.status == 200
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_large_and_slow_forms_are_refused(database_url: str) -> None:
    async with served(database_url) as url, browser(url) as opened:
        answer = await opened.post("/login/openid", {"token": "x" * 100_000})
        assert answer.status == 403
        body = b"token=" + b"&".join(b"a%d=1" % number for number in range(1000))
        answer = await opened.post("/login/openid", body=body, Content_Type="application/x-www-form-urlencoded")
        assert answer.status == 403


async def test_the_page_is_on_the_port_for_programs(database_url: str) -> None:
    async with (
        served(database_url, api={"port": 1}) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/admin/login") as response,
    ):
        assert response.status == 404


@pytest.mark.long
async def test_a_page_that_nobody_looks_at_runs_no_statement(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def executed(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        # That one is the heartbeat of the session that holds the locks.
        ran.extend([str(query)] if str(query) != "b'SELECT 1'" else [])
        return await execute(self, query, *arguments, **named)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", executed)
    async with working(database_url) as url:
        await eventually(_is(lambda: any("rollup" in each for each in ran)), "the start has looked")
        await eventually(_is(lambda: any("admin_session" in each for each in ran)), "the start has looked")
        ran.clear()
        await asyncio.sleep(1.5)
        assert ran == []
        async with visitor(url, database, ADMIN) as admin, admin.session.get(f"{url}/admin/events") as stream:
            await stream.content.readline()
            await eventually(_is(lambda: any("moment" in each for each in ran)), "the turns are read")
        ran.clear()
        # The task notices at its next look that nobody looks any more.
        await asyncio.sleep(3)
        ran.clear()
        await asyncio.sleep(1.5)
        assert ran == []


@pytest.mark.long
async def test_hundreds_of_streams(database_url: str, database: Database) -> None:
    """Those beyond the limits are refused, slow readers hold up nobody, and pages work meanwhile."""
    people = [f"@p{number}:admins.local" for number in range(40)]
    permissions = {ADMIN: "admin", **dict.fromkeys(people, "admin")}
    api, patience = {"trusted_proxies": ["127.0.0.1"]}, aiohttp.ClientTimeout(total=60)
    async with working(database_url, permissions=permissions, api=api) as url, AsyncExitStack() as stack:
        visitors = [await stack.enter_async_context(visitor(url, database, user)) for user in people]
        got = await asyncio.gather(
            *(
                stack.enter_async_context(each.session.get(f"{url}/admin/events", timeout=patience))
                for each in visitors
                for _ in range(6)
            )
        )
        counts = Counter(each.status for each in got)
        assert counts == {200: 100, 429: 140}
        async with asyncio.timeout(5):
            assert (await visitors[0].get("/agents")).status == 200
        # Nobody reads, and a thousand turns end.
        await fill(database, agents=3, turns=1000)
        await database.execute("UPDATE turn SET finished_at = now() WHERE state = 'done'")
        await asyncio.sleep(2)
        async with asyncio.timeout(5):
            assert (await visitors[1].get("/agents")).status == 200


@asynccontextmanager
async def working(database_url: str, **sections: Any) -> AsyncIterator[str]:
    """Serve the page as :func:`served` does, with its duties, and without the rest of a bridge."""
    async with served(database_url, duties=True, **sections) as url:
        yield url


def _is(condition: Any) -> Any:
    async def check() -> bool:
        return bool(condition())

    return check
