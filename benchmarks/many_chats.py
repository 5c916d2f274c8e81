"""Cost of a thousand chats in which nobody speaks: memory, CPU time and requests to the homeserver."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from agent_bridge.demo.account import Account
from benchmarks.cpu import resident_megabytes, seconds_of
from benchmarks.figure import Aim, Figure, median
from benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ground import Bridge, Ground

AGENTS, PEOPLE, CHATS_OF_EACH = 10, 100, 10
#: People who give commands at the same time: one in the room of each agent.
_TOGETHER = AGENTS
#: Seconds after a start, in which the bridge requests its last comparison with the homeserver; blocks of a measurement,
#: and seconds of each.
_SETTLE, _BLOCKS, _BLOCK = 45.0, 6, 30.0
_PATIENCE = 1200.0
_LOOK_AGAIN = 0.25
_MINUTE = 60.0
_OUT_OF_SYNC = """
SELECT count(*) FROM room
WHERE room_id IS NULL OR changes <> changes_applied OR check_requests <> checked OR needs_backfill
   OR backfilled_at IS NULL OR (command_role IS NOT NULL AND commands_described IS NULL)
"""
_MADE = "SELECT room_id FROM room WHERE person = %s AND room_id IS NOT NULL"
#: Days for which nobody has used the chats: then each is compared once a day.
_UNUSED = 7
#: Chats that nobody used for %s days. The times of their comparisons are spread evenly over the interval of seconds, as
#: they are after some intervals.
_AGE = """
UPDATE room SET created_at = now() - make_interval(days => %(days)s), used_at = NULL,
       backfilled_at = now() - make_interval(secs => %(interval)s * (row_number - 0.5) / total)
FROM (SELECT id, row_number() OVER (ORDER BY id), count(*) OVER () AS total FROM room WHERE kind = 'chat') AS each
WHERE room.id = each.id
"""


@dataclass(frozen=True, slots=True)
class Idle:
    """The cost of an idle bridge."""

    #: CPU milliseconds per minute, of each block.
    cpu: list[float]
    #: Requests to the homeserver, and statements in PostgreSQL, per minute.
    requests: float
    transactions: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement of two bridges, one with chats and one without. Times are seconds, memory is in MB."""

    chats: int
    people: int
    #: Until all chats were made.
    made: float
    #: From the start of the process with chats until every room was compared.
    compared: float
    #: Chats that nobody used for days, chats that were used today, and no chats.
    unused: Idle
    used: Idle
    without: Idle
    #: Memory of the process that made the chats, and of the two processes after a start.
    grown: float
    memory: float
    plain_memory: float
    #: Seconds between two comparisons of a room that is used.
    interval: float


async def many_chats(ground: Ground, people: int = PEOPLE, each: int = CHATS_OF_EACH) -> list[Figure]:
    """Measure ``many_chats_idle_requests``, ``many_chats_idle_cpu_ratio`` and ``many_chats_rss_mb``."""
    accounts = [await ground.register() for _ in range(people)]
    rooms = {"invite": [user_id for user_id, _ in accounts], "introduce": False}
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream())
        upstream.add(f"Agent {number}" for number in range(1, AGENTS + 1))
        async with ground.bridge("no-chats", upstream.api_url, rooms=rooms) as bridge:
            await bridge.ready(AGENTS)
            plain_config = bridge.config
        async with ground.bridge("many-chats", upstream.api_url, rooms=rooms) as bridge:
            await bridge.ready(AGENTS)
            began = time.monotonic()
            await _make(ground, bridge, accounts, each)
            made = time.monotonic() - began
            await _settled(bridge)
            grown, config = resident_megabytes(bridge.program.pid), bridge.config
        began = time.monotonic()
        ours = await stack.enter_async_context(ground.process(config))
        # The leader has requested the comparison of all rooms by then.
        await ours.program.logs("upstream reachable")
        await _settled(ours)
        compared = time.monotonic() - began
        plain = await stack.enter_async_context(ground.process(plain_config))
        await asyncio.sleep(_SETTLE)
        for bridge in (ours, plain):
            await _settled(bridge)
        _age(ours, days=_UNUSED, interval=86_400)
        unused, without = await _idle(ground, [ours, plain])
        memory, plain_memory = (resident_megabytes(bridge.program.pid) for bridge in (ours, plain))
        interval = config.homeserver.backfill_interval
        _age(ours, days=0, interval=interval)
        used, _ = await _idle(ground, [ours, plain])
    return figures(
        Measured(
            chats=people * each,
            people=people,
            made=made,
            compared=compared,
            unused=unused,
            used=used,
            without=without,
            grown=grown,
            memory=memory,
            plain_memory=plain_memory,
            interval=interval,
        )
    )


def figures(measured: Measured) -> list[Figure]:
    """Return the figures of a measurement."""
    unused, used, without = measured.unused, measured.used, measured.without
    how = (
        f"Two bridges with {AGENTS} agents each are idle at the same time, after a start; one has {measured.chats} "
        f"chats of {measured.people} people, made by `!ab new`, each with its person in the room. Nobody has used the "
        f"chats for {_UNUSED} days. {_BLOCKS * _BLOCK:g} s. "
    )
    today = "chats that were used today"
    return [
        Figure(
            "many_chats_idle_requests",
            unused.requests - without.requests,
            f"{how}Requests per minute to the homeserver that the bridge with chats makes more. It compares a "
            "chat with the history on the homeserver after a quarter of the time since its last use, and at least once "
            f"a day. A chat that is in use is compared every {measured.interval:g} s, as each room of an agent is.",
            Aim(1),
            parts={
                "with chats, per minute": unused.requests,
                "without chats, per minute": without.requests,
                f"with {today}, per minute": used.requests,
                "transactions in PostgreSQL with chats, per minute": unused.transactions,
                "transactions in PostgreSQL without chats, per minute": without.transactions,
                "start of the process until every room is compared, s": measured.compared,
                "making a chat, with the entry of its person, ms": measured.made / measured.chats * 1000,
            },
        ),
        Figure(
            "many_chats_idle_cpu_ratio",
            sum(unused.cpu) / sum(without.cpu),
            f"{how}CPU time of the process with chats over that of the process without.",
            Aim(1.1),
            [one / other for one, other in zip(unused.cpu, without.cpu, strict=True)],
            {
                "with chats, ms per minute": median(unused.cpu),
                "without chats, ms per minute": median(without.cpu),
                f"with {today}, ms per minute": median(used.cpu),
            },
        ),
        Figure(
            "many_chats_rss_mb",
            measured.memory,
            f"{how}Resident memory of the process with chats.",
            parts={
                "without chats, MB": measured.plain_memory,
                "the process that made the chats, MB": measured.grown,
            },
        ),
    ]


async def _make(ground: Ground, bridge: Bridge, accounts: Sequence[tuple[str, str]], each: int) -> None:
    """Have each person give *each* commands for a chat and enter the rooms, some people at a time."""
    left = iter(enumerate(accounts))

    async def work() -> None:
        for number, account in left:
            async with Account(ground.synapse.url, *account) as person:
                await _make_own(bridge, person, number % AGENTS + 1, each)

    await asyncio.gather(*(work() for _ in range(_TOGETHER)))


async def _make_own(bridge: Bridge, person: Account, agent: int, each: int) -> None:
    namespace = bridge.config.namespace
    await person.join(f"#{namespace.space_alias_localpart}:{namespace.domain}")
    home = await person.join(bridge.rooms[f"Agent {agent}"])
    for number in range(1, each + 1):
        title = f"Chat {number} of {person.user_id}"
        await person.say(home, f"!ab new @Agent {(agent + number) % AGENTS + 1} {title}")
    with psycopg.connect(bridge.config.database.url, autocommit=True) as connection:
        deadline, rooms = time.monotonic() + _PATIENCE, list[str]()
        while len(rooms) < each:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{person.user_id} has {len(rooms)} chats after {_PATIENCE:g} s")
            await asyncio.sleep(_LOOK_AGAIN)
            rooms = [room_id for (room_id,) in connection.execute(_MADE, [person.user_id])]
    for room_id in rooms:
        await person.join(room_id)


async def _settled(bridge: Bridge) -> None:
    """Wait until every room is as it is to be, and compared with the homeserver."""
    deadline = time.monotonic() + _PATIENCE
    with psycopg.connect(bridge.config.database.url, autocommit=True) as connection:
        while (row := connection.execute(_OUT_OF_SYNC).fetchone()) is None or row[0]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{row and row[0]} rooms are out of sync after {_PATIENCE:g} s")
            await asyncio.sleep(_LOOK_AGAIN)


def _age(bridge: Bridge, *, days: int, interval: float) -> None:
    with psycopg.connect(bridge.config.database.url, autocommit=True) as connection:
        connection.execute(_AGE, {"days": days, "interval": interval})


async def _idle(ground: Ground, bridges: Sequence[Bridge]) -> list[Idle]:
    """Measure *bridges* at the same time."""
    cpu: list[list[float]] = [[] for _ in bridges]
    log, committed = len(_log(ground)), [_transactions(bridge) for bridge in bridges]
    for _ in range(_BLOCKS):
        before = [seconds_of([bridge.program.pid]) for bridge in bridges]
        await asyncio.sleep(_BLOCK)
        for at, bridge in enumerate(bridges):
            cpu[at].append((seconds_of([bridge.program.pid]) - before[at]) * 1000 * _MINUTE / _BLOCK)
    minutes = _BLOCKS * _BLOCK / _MINUTE
    logged = _log(ground)[log:]
    return [
        Idle(cpu[at], _requests(logged, bridge) / minutes, (_transactions(bridge) - committed[at]) / minutes)
        for at, bridge in enumerate(bridges)
    ]


def _log(ground: Ground) -> str:
    return ground.synapse.log.read_text("utf-8", "replace")


def _requests(log: str, bridge: Bridge) -> int:
    """Return the number of requests of *bridge* in the homeserver's *log*."""
    service = bridge.config.appservice
    ours = (f"{{@{service.bot_username}:", f"{{@{service.username_prefix}")
    return sum("Processed request" in line and any(user in line for user in ours) for line in log.splitlines())


def _transactions(bridge: Bridge) -> int:
    query = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    with psycopg.connect(bridge.config.database.url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return 0 if row is None else int(row[0])
