"""The start of a process that has many intact rooms, and nothing to do."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg

from benchmarks.counting_proxy import CountingProxy
from benchmarks.figure import Aim, Figure, median
from benchmarks.ground import DOMAIN
from benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from benchmarks.ground import Ground

ROOMS = 1000
_STARTS = 5
#: Seconds without a write after which everything is done, and for which a start is watched.
_QUIET, _WATCHED = 20.0, 60.0
_PATIENCE = 1800.0
#: The event that wakes the homeserver up, and the request that has it look whether the bridge is there.
_WAKING = ("agent_bridge.started", "/ping")
_WRITTEN = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables
WHERE relname <> 'kv' AND relname NOT LIKE 'procrastinate%'
"""


@asynccontextmanager
async def many_rooms(ground: Ground, name: str, rooms: int) -> AsyncIterator[tuple[Config, CountingProxy]]:
    """Make *rooms* rooms with the bridge *name*; give its configuration, after its end, and its proxy."""
    async with Upstream() as upstream, CountingProxy(ground.synapse.url) as proxy:
        upstream.add(f"Agent {number}" for number in range(1, rooms + 1))
        homeserver = {"address": proxy.url, "domain": DOMAIN}
        async with ground.bridge(name, upstream.api_url, homeserver=homeserver) as bridge:
            await bridge.ready(rooms)
            await _quiet(proxy)
        yield bridge.config, proxy


async def _quiet(proxy: CountingProxy) -> None:
    """Wait until nothing was written for a while."""
    async with asyncio.timeout(_PATIENCE):
        seen = -1
        while seen != (now := len(stored(proxy.writes))):
            seen = now
            await asyncio.sleep(_QUIET)


def stored(writes: list[str]) -> list[str]:
    """Return those of *writes* that the homeserver stores: presence is not."""
    return [write for write in writes if "/presence/" not in write]


def _written(uri: str) -> int:
    """Return the number of rows that were written, but for signs of life and jobs of the queue."""
    with psycopg.connect(uri) as connection:
        row = connection.execute(_WRITTEN).fetchone()
    return 0 if row is None else int(row[0])


async def _starts(ground: Ground, config: Config, proxy: CountingProxy) -> tuple[list[float], list[str], int]:
    """Return the seconds of each start, and the writes and the written rows of the last one."""
    seconds: list[float] = []
    uri = config.database.url
    for number in range(_STARTS):
        proxy.reset()
        before = _written(uri)
        started = time.monotonic()
        async with ground.process(config) as bridge:
            for event in ("listening", "this process leads", "upstream reachable"):
                await bridge.program.logs(event)
            seconds.append(max(bridge.program.first_heard.values()) - started)
            if number == _STARTS - 1:
                await asyncio.sleep(_WATCHED)
    return seconds, proxy.writes, _written(uri) - before


async def idle_start(ground: Ground) -> list[Figure]:
    """Measure ``idle_start_seconds`` and ``idle_start_writes``."""
    async with many_rooms(ground, "start-one", 1) as (config, proxy):
        one, _, _ = await _starts(ground, config, proxy)
    async with many_rooms(ground, "start", ROOMS) as (config, proxy):
        many, writes, rows = await _starts(ground, config, proxy)
    lasting = stored(writes)
    waking = [write for write in lasting if any(each in write for each in _WAKING)]
    return [
        Figure(
            "idle_start_seconds",
            median(many),
            f"Time from the start of a process with {ROOMS} intact rooms until it listens, leads and has compared the "
            f"list of its upstream; median of {_STARTS} starts.",
            Aim(2),
            many,
            {"with one room, s": median(one)},
        ),
        Figure(
            "idle_start_writes",
            float(len(lasting) - len(waking)),
            f"Requests to the homeserver that change something in the first {_WATCHED:.0f} s of such a process, "
            "without the event that wakes the homeserver up and the ping behind it, and without presence, which the "
            "homeserver does not store.",
            Aim(0),
            parts={
                "wake-up event and ping": float(len(waking)),
                "updates of presence": float(len(writes) - len(lasting)),
                "rows written in the database, as each start compares the history of each room": float(rows),
            },
        ),
    ]
