"""The cost of polling a list of agents that has not changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import psycopg

from agent_bridge.bridge.agents.discovery import Discovery
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres import migrate
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from benchmarks.figure import Aim, Figure, median
from benchmarks.program import LoggedProgram

if TYPE_CHECKING:
    from benchmarks.ground import Ground

_AGENTS = 1000
_BATCHES = 5
_POLLS = 40


_LAST_STATEMENTS = """
SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def _last_statements(uri: str) -> set[tuple[int, object]]:
    """Return the process id and the start of the last statement of each other connection to the database."""
    with psycopg.connect(uri) as connection:
        return {(pid, began) for pid, began in connection.execute(_LAST_STATEMENTS)}


@dataclass(frozen=True, slots=True)
class Poll:
    """The cost of a look at an unchanged list: milliseconds of each batch, of CPU and in all."""

    agents: int
    cpu: list[float]
    elapsed: list[float]
    #: Database connections with a statement in that time.
    busy: int


async def poll_cost(ground: Ground, name: str, agents: int, *, etag: bool = False) -> Poll:
    """Measure looks at *agents* unchanged agents, with the database *name*; *etag*: their list has an ``ETag``."""
    uri = ground.database(name)
    migrate.migrate(uri)
    options = ["etag"] if etag else []
    async with (
        LoggedProgram("benchmarks.upstream", str(agents), *options) as server,
        Database(uri) as database,
        aiohttp.ClientSession() as session,
    ):
        await server.logs("listening")
        upstream = {"name": "bench", "url": server.heard["listening"][0]["url"], "max_new_agents": agents}
        config = ground.config("rename", upstreams=[upstream])
        watched = [(make_upstream(each, session, MemoryConversations()), each) for each in config.upstreams]
        signals = Signals()
        upstream_status = UpstreamStatus(KeyValues(database), signals)
        # No rooms are made: the figure is about looking.
        discovery = Discovery(
            watched,
            Agents(database),
            lambda _agent: None,
            config.namespace,
            config.templates,
            upstream_status,
            signals,
            ENGLISH,
        )
        await discovery.sync()
        before = _last_statements(uri)
        cpu, elapsed = [], []
        for _ in range(_BATCHES):
            started, began = time.process_time(), time.monotonic()
            for _ in range(_POLLS):
                (health,) = await discovery.look()
            cpu.append((time.process_time() - started) / _POLLS * 1000)
            elapsed.append((time.monotonic() - began) / _POLLS * 1000)
        return Poll(health.agents, cpu, elapsed, len(_last_statements(uri) - before))


def poll_figure(name: str, poll: Poll, limit: float, more: str = "") -> Figure:
    """Return the figure *name* of *poll* with an aim; *more* belongs to its description."""
    return Figure(
        name,
        median(poll.cpu),
        f"CPU time of one periodic look of the discovery at {poll.agents} unchanged agents{more}; {_BATCHES} batches "
        f"of {_POLLS} looks. The agents' server runs in another process, whose CPU time does not count.",
        Aim(limit),
        poll.cpu,
        {
            "one look, ms": median(poll.elapsed),
            "database connections with a statement in that time (pg_stat_activity)": poll.busy,
        },
    )


async def idle_poll(ground: Ground) -> list[Figure]:
    """Measure ``idle_poll_cpu_ms``."""
    return [poll_figure("idle_poll_cpu_ms", await poll_cost(ground, "poll", _AGENTS), 5)]
