"""Thousands of agents: their discovery, memory, idle costs, the start of a process, and the end of its leader."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import psycopg

from agent_bridge.demo.account import Account
from agent_bridge.demo.synapse import free_port
from benchmarks.cpu import peak_megabytes, resident_megabytes, used_by
from benchmarks.figure import Aim, Figure, median
from benchmarks.footprint import BLOCKED, footprint
from benchmarks.ground import DOMAIN
from benchmarks.poll import poll_cost, poll_figure
from benchmarks.program import LoggedProgram
from benchmarks.statements import StatementLog, logged
from benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from agent_bridge.config.model import Config
    from benchmarks.ground import Ground

    #: The number of requests that the homeserver has got from the bridge so far.
    Count = Callable[[], Awaitable[int]]

#: Agents on a real Synapse, and on the fake homeserver.
AGENTS, MANY = 1_000, 10_000
_STARTS, _TAKEOVERS = 3, 3
#: Seconds in which the idle process is measured: each of its loops runs once at least.
_IDLE = 120.0
#: Seconds that the idle process had before, and between a start and a kill.
_SETTLE = 10.0
_LOOK = 0.2
_PATIENCE = 3600.0
_EVENTS = ("listening", "this process leads", "upstream reachable")
_LEADING = "this process leads"
_KNOWN = "SELECT count(*) FROM agent"
_READY = """
SELECT count(*) FROM room r JOIN agent a ON a.id = r.owner
WHERE r.kind = 'home' AND r.bot_joined AND r.introduced AND r.space IS NOT NULL
  AND a.displayname_applied = a.displayname
"""
_WITHOUT_PROFILE = "SELECT count(*) FROM agent WHERE description_applied IS NULL"
_NOT_COMPARED = """
SELECT count(*) FROM room WHERE room_id IS NULL OR needs_backfill OR backfilled_at IS NULL OR check_requests <> checked
"""
#: The times of the backfills are spread evenly over the interval of seconds, as they are after some intervals.
_SPREAD = """
UPDATE room SET backfilled_at = now() - make_interval(secs => %s * (place - 0.5) / total)
FROM (SELECT id, row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS total FROM room) AS each
WHERE room.id = each.id
"""


@dataclass
class Scene:
    """A bridge with *agents* agents on a homeserver."""

    ground: Ground
    agents: int
    config: Config
    count: Count
    #: A person who is in no room yet.
    person: Account
    upstream: Upstream
    #: Process ids of the servers, by name.
    servers: dict[str, int]


@dataclass
class Measured:
    """The measurements of one scene. Times are seconds, memory is in MB."""

    known: float = 0.0
    ready: float = 0.0
    #: CPU seconds while the rooms were made, by process; and requests to the homeserver in this time.
    making: dict[str, float] = field(default_factory=dict)
    making_requests: int = 0
    #: Memory of the process that made the rooms, and its highest; of a restarted leader; of a process that stands by;
    #: and of the latter after it became the leader.
    grown: float = 0.0
    peak: float = 0.0
    leader: float = 0.0
    standby: float = 0.0
    #: The highest memory of any process.
    highest: float = 0.0
    starts: list[float] = field(default_factory=list)
    #: From the start of a process until every room was compared with its history; and the longest computation of the
    #: event loop in this time.
    compared: float = 0.0
    blocked: float = 0.0
    #: Per second of an idle leader.
    queries: float = 0.0
    requests: float = 0.0
    #: Percent of a core, by process.
    idle_cpu: dict[str, float] = field(default_factory=dict)
    statements: list[tuple[str, float]] = field(default_factory=list)
    led: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)


@asynccontextmanager
async def on_synapse(ground: Ground, name: str, agents: int) -> AsyncIterator[Scene]:
    """Give a scene on the real Synapse."""
    config = _config(ground, name, agents, {"address": ground.synapse.url, "domain": DOMAIN})
    service = config.appservice
    ours = (f"{{@{service.bot_username}:", f"{{@{service.username_prefix}")

    async def count() -> int:
        lines = ground.synapse.log.read_text("utf-8", "replace").splitlines()
        return sum("Processed request" in line and any(user in line for user in ours) for line in lines)

    account = await ground.register()
    async with Upstream() as upstream, Account(ground.synapse.url, *account) as person:
        config = _asking(config, upstream)
        yield Scene(ground, agents, config, count, person, upstream, dict(ground.processes))


@asynccontextmanager
async def on_fake(ground: Ground, name: str, agents: int) -> AsyncIterator[Scene]:
    """Give a scene on the fake homeserver."""
    registration = str(ground.registration(name))
    async with (
        LoggedProgram("support.fake_homeserver", registration, DOMAIN) as server,
        aiohttp.ClientSession() as session,
        Upstream() as upstream,
    ):
        await server.logs("listening")
        address = server.heard["listening"][0]["url"]

        async def count() -> int:
            async with session.get(f"{address}/fake/counts") as response:
                counts = await response.json()
            if counts["unknown"]:
                raise RuntimeError(f"the fake homeserver does not know {counts['unknown']}")
            return int(counts["requests"])

        config = _asking(_config(ground, name, agents, {"address": address, "domain": DOMAIN}), upstream)
        processes = {"fake homeserver": server.pid, "PostgreSQL": ground.processes["PostgreSQL"]}
        async with Account(address, f"@alice:{DOMAIN}", "person-alice") as person:
            yield Scene(ground, agents, config, count, person, upstream, processes)


def _config(ground: Ground, name: str, agents: int, homeserver: dict[str, str]) -> Config:
    database = {"url": ground.database(name)}
    upstreams = [{"name": "bench", "url": "http://127.0.0.1:9", "max_new_agents": agents}]
    # With the default rate of profiles they would be complete after more than an hour.
    return ground.config(name, homeserver=homeserver, database=database, upstreams=upstreams, profiles_per_second=1000)


def _asking(config: Config, upstream: Upstream) -> Config:
    (only,) = config.upstreams
    return config.model_copy(update={"upstreams": [only.model_copy(update={"url": upstream.api_url})]})


async def measure(scene: Scene) -> Measured:
    """Have a bridge make the rooms of all agents, and measure it, then others on its database."""
    measured = Measured()
    rooms = await _make(scene, measured)
    await _start(scene, measured)
    await _idle(scene, measured)
    await _take_over(scene, measured, rooms)
    return measured


async def _make(scene: Scene, measured: Measured) -> dict[str, str]:
    """Measure the discovery; return the rooms by the names of the agents."""
    scene.upstream.add(f"Agent {number}" for number in range(1, scene.agents + 1))
    async with scene.ground.process(scene.config) as bridge:
        before = await scene.count()
        with used_by({"bridge": bridge.program.pid, **scene.servers}) as measured.making:
            await bridge.program.logs("upstream reachable")
            await _until(scene, _KNOWN, scene.agents)
            began = scene.upstream.listed_at or 0.0
            measured.known = time.monotonic() - began
            await _until(scene, _READY, scene.agents)
            measured.ready = time.monotonic() - began
        measured.making_requests = await scene.count() - before
        await _until(scene, _WITHOUT_PROFILE, 0)
        measured.grown = resident_megabytes(bridge.program.pid)
        measured.highest = measured.peak = peak_megabytes(bridge.program.pid)
        return bridge.rooms


async def _start(scene: Scene, measured: Measured) -> None:
    for _ in range(_STARTS):
        began = time.monotonic()
        async with scene.ground.process(scene.config) as bridge:
            for event in _EVENTS:
                await bridge.program.logs(event)
            measured.starts.append(max(bridge.program.first_heard[event] for event in _EVENTS) - began)


async def _idle(scene: Scene, measured: Measured) -> None:
    """Measure a process that leads, and has nothing to do."""
    uri = scene.config.database.url
    with logged(uri):
        began = time.monotonic()
        async with scene.ground.process(scene.config) as bridge:
            await bridge.program.logs("upstream reachable")
            await asyncio.sleep(_SETTLE)
            await _until(scene, _NOT_COMPARED, 0)
            measured.compared = time.monotonic() - began
            measured.blocked = (await footprint(bridge))[BLOCKED]
            with psycopg.connect(uri, autocommit=True) as admin:
                admin.execute(_SPREAD.encode(), [scene.config.homeserver.backfill_interval])
            await asyncio.sleep(_SETTLE)
            log, requests = StatementLog(scene.ground.postgres_log), await scene.count()
            with used_by({"bridge": bridge.program.pid, **scene.servers}) as used:
                await asyncio.sleep(_IDLE)
            measured.requests = (await scene.count() - requests) / _IDLE
            statements = log.counts()
            measured.leader = resident_megabytes(bridge.program.pid)
            measured.highest = max(measured.highest, peak_megabytes(bridge.program.pid))
    measured.queries = statements.total() / _IDLE
    measured.statements = [(text, number / _IDLE) for text, number in statements.most_common(8)]
    measured.idle_cpu = {name: seconds / _IDLE * 100 for name, seconds in used.items()}


async def _take_over(scene: Scene, measured: Measured, rooms: dict[str, str]) -> None:
    """Kill the leader again and again, and have the process beside it answer a message."""
    room = await _enter(scene, rooms[f"Agent {scene.agents}"])
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(scene.ground.process(scene.config))
        await one.program.logs(_LEADING)
        for number in range(_TAKEOVERS):
            # The homeserver sends to one address: that of the process which is not killed, in turns.
            config = _beside(scene.config) if number % 2 == 0 else scene.config
            other = await stack.enter_async_context(scene.ground.process(config))
            await other.program.logs("listening")
            await asyncio.sleep(_SETTLE)
            measured.standby = max(measured.standby, resident_megabytes(other.program.pid))
            text = f"Message {uuid4()}"
            began = time.monotonic()
            await one.program.kill()
            await other.program.logs(_LEADING)
            measured.led.append(time.monotonic() - began)
            if number % 2 == 1:
                await scene.person.say(room, text)
                await _answer(scene.person, room, text)
                measured.answered.append(time.monotonic() - began)
            await asyncio.sleep(_SETTLE)
            measured.highest = max(measured.highest, peak_megabytes(other.program.pid))
            one = other


async def _enter(scene: Scene, room: str) -> str:
    """Have the bridge bot invite the person into a room, which the person enters."""
    homeserver, token = scene.config.homeserver.address, scene.config.appservice.as_token.get_secret_value()
    async with Account(homeserver, scene.config.namespace.bot, token) as bot:
        await bot.ask("POST", f"/rooms/{room}/invite", {"user_id": scene.person.user_id})
    return await scene.person.join(room)


def _beside(config: Config) -> Config:
    return config.model_copy(update={"appservice": config.appservice.model_copy(update={"port": free_port()})})


async def _answer(person: Account, room: str, text: str) -> None:
    """Wait until somebody else has said *text* in a room."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            said = [each for each in await _newest(person, room) if each["sender"] != person.user_id]
            if any(text in str(each["content"].get("body")) for each in said):
                return
            await asyncio.sleep(_LOOK / 4)


async def _newest(person: Account, room: str) -> list[dict[str, Any]]:
    """Return the newest events of a room."""
    page = await person.ask("GET", f"/rooms/{room}/messages", query={"dir": "b", "limit": "10"})
    return list(page["chunk"])


async def _until(scene: Scene, query: str, wanted: int) -> None:
    """Wait until *query* finds the number *wanted*."""
    async with asyncio.timeout(_PATIENCE):
        with psycopg.connect(scene.config.database.url, autocommit=True) as connection:
            connection.execute("SET log_statement = 'none'")
            found = -1
            while found != wanted:
                (found,) = connection.execute(query.encode()).fetchone() or (-1,)
                await asyncio.sleep(_LOOK)


async def scale_1000(ground: Ground) -> list[Figure]:
    """Measure ``scale_1000_…``: a thousand agents on a real Synapse."""
    return figures("scale_1000", f"{AGENTS} agents on a real Synapse. ", await _measured(on_synapse, ground, AGENTS))


async def scale_10000(ground: Ground) -> list[Figure]:
    """Measure ``scale_10000_…``: ten thousand agents on the fake homeserver."""
    how = f"{MANY} agents on a fake homeserver in a separate process, which keeps little for each room. "
    found = figures("scale_10000", how, await _measured(on_fake, ground, MANY), Aim(250))
    etag = await poll_cost(ground, "poll-etag", MANY, etag=True)
    return [
        *found,
        poll_figure("scale_10000_poll_cpu_ms", await poll_cost(ground, "poll-many", MANY), 2),
        poll_figure("scale_10000_etag_poll_cpu_ms", etag, 2, " whose list has an `ETag`"),
    ]


async def _measured(
    scene: Callable[[Ground, str, int], AbstractAsyncContextManager[Scene]], ground: Ground, agents: int
) -> Measured:
    async with scene(ground, f"scale-{agents}", agents) as there:
        return await measure(there)


def figures(name: str, how: str, measured: Measured, memory: Aim | None = None) -> list[Figure]:
    """Return the figures of *measured*, whose names begin with *name*."""
    making = {f"CPU of {who} while they were made, s": seconds for who, seconds in measured.making.items()}
    cpu = {f"CPU of {who}, % of a core": percent for who, percent in measured.idle_cpu.items()}
    return [
        Figure(
            f"{name}_ready_s",
            measured.ready,
            f"{how}Time from the first request for the list until each agent has its ghost, room, bot, introduction "
            "and place in the Space.",
            parts={
                "until every agent has a row, s": measured.known,
                "requests to the homeserver": measured.making_requests,
                **making,
            },
        ),
        Figure(
            f"{name}_rss_mb",
            measured.highest,
            f"{how}The highest resident memory that any of the processes has had: the one that made the rooms, one "
            "that was started and leads, and those that stood by and took over.",
            memory,
            parts={
                "the process that made the rooms, MB": measured.grown,
                "the same, highest, MB": measured.peak,
                "a leader after its start, idle, MB": measured.leader,
                "a process that stands by, MB": measured.standby,
            },
        ),
        Figure(
            f"{name}_start_s",
            median(measured.starts),
            f"{how}Time from the start of a process until it listens, leads and has compared the list of its upstream; "
            f"median of {len(measured.starts)} starts.",
            repetitions=measured.starts,
            parts={
                "until every room is compared with its history, s": measured.compared,
                "longest computation of the event loop in this time, ms": measured.blocked,
            },
        ),
        Figure(
            f"{name}_idle_queries_per_s",
            measured.queries,
            f"{how}Statements per second in PostgreSQL's log (log_statement) during {_IDLE:g} s, of a process that is "
            "leader, worker and endpoint, without messages. Each room is compared with its history every 600 s.",
            parts={
                "requests to the homeserver per s": measured.requests,
                **cpu,
                **{f"{text} per s": rate for text, rate in measured.statements},
            },
        ),
        Figure(
            f"{name}_takeover_s",
            max(measured.led),
            f"{how}Time from the kill (SIGKILL) of the leader until another process leads; the longest of "
            f"{len(measured.led)} kills.",
            Aim(15),
            measured.led,
            {"until a message is answered, longest s": max(measured.answered)},
        ),
    ]
