"""The page of the metrics bears hostile scrapers, and shows the process whatever the database does."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb

from agent_bridge.metrics.gauges import Gauges, ProcessFigures
from agent_bridge.metrics.observer import CountingObserver
from agent_bridge.metrics.page import MetricsPage
from agent_bridge.store.metrics import MetricsStore
from agent_bridge.store.postgres.database import Database
from agent_bridge.web.application import api_application
from agent_bridge.web.connections import Connections, Limits
from support.conditions import eventually
from support.scrapes import Scrape, scrape
from support.severable_proxy import Line
from support.turn_rows import ROOM, accept, add_agent, new

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Seconds for which a scrape waits for the database, in these tests.
WITHIN = 0.5
UPSTREAMS = [
    {"name": "up", "error": None, "agents": 3},
    {"name": "down", "error": "refused", "agents": 1},
    {"name": "removed", "error": None, "agents": 1},
    {"name": "odd", "agents": "many"},
    7,
]


class Page:
    """A page on a port, with a database behind a line."""

    def __init__(self, line: Line, database: Database, port: int) -> None:
        self.line = line
        self.database = database
        self.port = port

    async def scrape(self, accept: str = "") -> Scrape:
        """Return what the page shows."""
        return await scrape(f"http://127.0.0.1:{self.port}", accept=accept)

    async def has_database(self) -> bool:
        """Tell whether the page shows the values of the database."""
        return (await self.scrape()).value("database_up") == 1


@asynccontextmanager
async def listening(page: MetricsPage) -> AsyncIterator[int]:
    runner = web.AppRunner(api_application(page), access_log=None)
    await runner.setup()
    connections = Connections(cast("web.Server", runner.server), Limits())
    server = await asyncio.get_running_loop().create_server(connections.accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await runner.cleanup()


@pytest.fixture
async def page(store_url: str) -> AsyncIterator[Page]:
    where = conninfo_to_dict(store_url)
    host, port = where["host"], int(where.get("port") or 5432)
    async with Line(f"{host}/.s.PGSQL.{port}" if str(host).startswith("/") else port) as line:
        uri = make_conninfo(store_url, host="127.0.0.1", port=line.port)
        async with Database(uri, pool_timeout=20) as database:
            observer = CountingObserver(CollectorRegistry(), ["up", "down"], "USD")
            gauges = Gauges(
                ProcessFigures(
                    busy_lanes=lambda: 2,
                    max_lanes=8,
                    is_leader=lambda: False,
                    subscriptions=lambda: 0,
                    pools={"statements": database.pool.get_stats},
                ),
                ["up", "down"],
            )
            observer.registry.register(gauges)
            shown = MetricsPage(
                observer.registry,
                gauges,
                MetricsStore(database).read,
                None,
                within=WITHIN,
                shared_figures=0.0,
                shared_text=0.0,
                patience=0.5,
            )
            async with listening(shown) as listens:
                yield Page(line, database, listens)


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version=999999999.1;q=2,text/plain;q=-1",
        "application/openmetrics-text; q=nan; q=inf",
        "application/openmetrics-text;escaping=allow-utf-8\t,;;==,,",
        "," * 4000,
        "text/plain;version=1.0.0;escaping=\xff",
        ";q=",
    ],
)
async def test_nonsense_in_the_accept_header_is_no_error(page: Page, accept: str) -> None:
    found = await page.scrape(accept)
    assert found.status == 200
    assert found.content_type in {
        "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    }
    assert found.value("busy_lanes") == 2


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;q=0.9,application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("Application/OpenMetrics-Text", True),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", True),
    ],
)
async def test_the_accept_header_chooses_the_format(page: Page, accept: str, *, is_openmetrics: bool) -> None:
    found = await page.scrape(accept)
    assert found.content_type.startswith("application/openmetrics-text") is is_openmetrics


async def test_only_upstreams_of_the_configuration_are_shown(page: Page) -> None:
    await page.database.execute("INSERT INTO kv (key, value) VALUES ('upstreams', %s)", [Jsonb(UPSTREAMS)])
    found = await page.scrape()
    assert found.labels("upstream_up", "upstream") == {"up", "down"}
    assert (found.value("upstream_up", upstream="up"), found.value("upstream_up", upstream="down")) == (1, 0)
    assert found.value("upstream_agents", upstream="up") == 3


async def test_the_age_of_the_oldest_waiting_turn(page: Page) -> None:
    agent = await add_agent(page.database)
    await accept(page.database, new("$1", ROOM, agent), new("$2", ROOM, agent))
    await page.database.execute("UPDATE turn SET created_at = now() - interval '1 minute' WHERE event_id = '$1'")
    found = await page.scrape()
    assert (found.value("open_turns"), found.value("open_turns", state="queued")) == (2, 2)
    assert 60 <= found.value("oldest_waiting_turn_seconds") < 90
    # It waits for the reply of an agent that connects itself.
    await page.database.execute("INSERT INTO client_agent (model, name, owner) VALUES ('m', 'Mia', '@bob:x')")
    await page.database.execute(
        "INSERT INTO client_question (key, turn, model, text, deadline) SELECT key, id, 'm', 'Hi', now() FROM turn"
        " WHERE event_id = '$1'"
    )
    # So do those behind it.
    assert (await page.scrape()).value("oldest_waiting_turn_seconds") == 0
    await page.database.execute("UPDATE client_question SET reply = 'Hello'")
    assert (await page.scrape()).value("oldest_waiting_turn_seconds") >= 60
    # Its answer waits for the homeserver, or is being sent.
    for since, least in (("now()", 60), ("NULL", 0)):
        await page.database.execute(
            f"UPDATE turn SET state = 'committed', waits_since = {since} WHERE event_id = '$1'"  # noqa: S608
        )
        assert least <= (await page.scrape()).value("oldest_waiting_turn_seconds") < least + 30
    await page.database.execute("UPDATE turn SET state = 'queued' WHERE event_id = '$1'")
    # It was asked again just now.
    await page.database.execute("UPDATE turn SET retried_at = now()")
    assert (await page.scrape()).value("oldest_waiting_turn_seconds") < 30


async def test_a_frozen_database_delays_a_scrape_for_a_bounded_time(page: Page) -> None:
    loop = asyncio.get_running_loop()
    assert await page.has_database()
    page.line.silence()
    begin = loop.time()
    found = await asyncio.gather(*(page.scrape() for _ in range(50)))
    assert loop.time() - begin < WITHIN + 5
    for each in found:
        assert (each.value("database_up"), each.value("busy_lanes")) == (0, 2)
        assert "agent_bridge_open_turns" not in each.samples
    # One statement waits, and its connection alone is in use.
    assert found[0].value("database_pool_connections", pool="statements", state="used") == 1
    begin = loop.time()
    await page.scrape()
    assert loop.time() - begin < WITHIN
    # The line is dropped, as a network does that finds the silence.
    page.line.reset()
    await eventually(page.has_database, "the database is read again")


async def test_a_database_that_is_away_leaves_the_metrics_of_the_process(page: Page) -> None:
    await page.line.cut()
    found = await page.scrape()
    assert (found.status, found.value("database_up"), found.value("busy_lanes")) == (200, 0, 2)
    await page.line.mend()
    await eventually(page.has_database, "the database is read again")


async def test_a_scraper_that_reads_nothing_is_cut_off(page: Page) -> None:
    with socket.socket() as scraper:
        # Room for little, so that the texts wait in the bridge.
        scraper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        scraper.setblocking(False)
        await asyncio.get_running_loop().sock_connect(scraper, ("127.0.0.1", page.port))
        request = b"GET /metrics HTTP/1.1\r\nHost: b\r\n\r\n"

        async def is_cut() -> bool:
            try:
                scraper.send(request * 20)
            except BlockingIOError:
                return False
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        await eventually(is_cut, "the connection ends", within=30)
    assert (await page.scrape()).status == 200


async def test_a_scraper_that_hangs_up_is_no_error(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    page.line.silence()
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", page.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: b\r\n\r\n")
        await writer.drain()
        writer.transport.abort()
    # Its text is sent after theirs.
    assert (await page.scrape()).value("database_up") == 0
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


async def test_other_methods_and_paths_show_nothing(page: Page) -> None:
    async with aiohttp.ClientSession() as session:
        for method, path, status in (("POST", "/metrics", 405), ("GET", "/", 404), ("GET", "/metrics/x", 404)):
            async with session.request(method, f"http://127.0.0.1:{page.port}{path}") as response:
                assert response.status == status
                assert "busy_lanes" not in await response.text()
