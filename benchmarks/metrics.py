"""The time of a scrape of the metrics."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

import aiohttp
import psycopg

from agent_bridge.app import build
from agent_bridge.core.observer import Operation, RequestResult
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.demo.synapse import free_port
from agent_bridge.metrics.catalogue import METHODS
from agent_bridge.metrics.observer import CountingObserver
from benchmarks.figure import Aim, Figure, median
from benchmarks.program import LoggedProgram

if TYPE_CHECKING:
    from agent_bridge.lifecycle import Bridge
    from benchmarks.ground import Ground

_AGENTS, _CLOSED, _OPEN = 1000, 100_000, 500
#: Further upstreams, whose series are in the text; and routes of the API.
_UPSTREAMS, _ROUTES = 10, 80
_SCRAPES = 12
#: Seconds between two scrapes: longer than they share the values of the database.
_PAUSE = 5.2
_FILL = """
INSERT INTO conversation (room_id, agent, lane_kind) SELECT '!' || id || ':bench', id, 'agent' FROM agent;
INSERT INTO turn (event_id, key, conversation, kind, sender, payload, state, finished_at, not_before, waits_since,
                  failures)
SELECT '$' || n, n::text, c.id, 'message', '@a:bench', '{"body": "Hello"}',
       CASE WHEN n > %(closed)s THEN 'queued' ELSE 'done' END, CASE WHEN n <= %(closed)s THEN now() END,
       CASE WHEN n > %(closed)s THEN now() + interval '1 day' END, CASE WHEN n > %(closed)s THEN now() END, 1
FROM generate_series(1, %(closed)s + %(open)s) AS n
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM conversation) c ON c.place = n %% %(agents)s + 1;
ANALYZE;
"""


async def metrics_scrape(ground: Ground) -> list[Figure]:
    """Measure ``metrics_scrape_ms``."""
    uri, port = ground.database("metrics"), free_port()
    async with LoggedProgram("benchmarks.upstream", str(_AGENTS)) as server:
        await server.logs("listening")
        url = server.heard["listening"][0]["url"]
        upstreams = [{"name": f"bench{n}", "url": url, "max_new_agents": _AGENTS} for n in range(_UPSTREAMS)]
        # One lists the agents.
        upstreams[1:] = [each | {"include": ["none"]} for each in upstreams[1:]]
        config = ground.config("rename", database={"url": uri}, metrics={"port": port}, upstreams=upstreams)
        async with build(config) as bridge:
            await bridge.discovery.sync()
            _fill(uri)
            series = _count_everything(bridge, [each.name for each in config.upstreams])
            # Without a leader: no rooms are made, for the figure is about scrapes.
            working = asyncio.create_task(bridge.work_only())
            try:
                took, cpu, size = await _scrape(f"http://127.0.0.1:{port}/metrics")
            finally:
                working.cancel()
                await asyncio.wait({working})
    return [
        Figure(
            "metrics_scrape_ms",
            median(took),
            f"A request for /metrics, from its beginning to the end of the response, over loopback; {_SCRAPES} scrapes "
            f"{_PAUSE:g} s apart, so that each reads the database. The database has {_AGENTS} agents, {_CLOSED} closed "
            f"turns and {_OPEN} open ones. The text has the series of {_UPSTREAMS} upstreams and {_ROUTES} routes. The "
            "client runs in the process of the bridge, so its time counts too.",
            Aim(20),
            took,
            {"longest, ms": max(took), "CPU time of one scrape, ms": cpu, "text, kB": size / 1000, "series": series},
        )
    ]


def _fill(uri: str) -> None:
    with psycopg.connect(uri, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(_FILL.encode(), {"closed": _CLOSED, "open": _OPEN, "agents": _AGENTS})


def _count_everything(bridge: Bridge, upstreams: list[str]) -> int:
    """Make the series that a busy bridge has; return their number."""
    observer = bridge.observer
    if not isinstance(observer, CountingObserver):
        raise TypeError("the bridge has no metrics")
    for kind, state in itertools.product(TurnKind, TurnState):
        observer.turn_ended(kind, state)
    for method, result in itertools.product(METHODS, RequestResult):
        observer.homeserver_request(method, result, 0.01)
    for upstream, operation, result in itertools.product(upstreams, Operation, RequestResult):
        observer.upstream_request(upstream, operation, result)
    for upstream in upstreams:
        observer.answered(upstream, whole=2.0, first_words=1.0)
    for number, status in itertools.product(range(_ROUTES), (200, 404)):
        observer.api_request(f"/v1/route{number}/{{id}}", "GET", status, 0.1)
    return len(list(itertools.chain.from_iterable(each.samples for each in observer.registry.collect())))


async def _scrape(url: str) -> tuple[list[float], float, int]:
    """Return the milliseconds of each scrape, the CPU time of one, and the bytes of the text."""
    took: list[float] = []
    cpu, size = 0.0, 0
    async with aiohttp.ClientSession() as session:
        for _ in range(_SCRAPES):
            await asyncio.sleep(_PAUSE)
            begin, used = time.monotonic(), time.process_time()
            async with session.get(url) as response:
                text = await response.read()
            took.append((time.monotonic() - begin) * 1000)
            cpu += (time.process_time() - used) * 1000 / _SCRAPES
            if response.status != 200 or b"agent_bridge_database_up 1.0" not in text:  # noqa: PLR2004
                raise RuntimeError(f"the scrape has failed: {text.decode()[:200]}")
            size = len(text)
    return took, cpu, size
