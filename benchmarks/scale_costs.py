"""The costs of a message, an agent, a room and a subscriber, with which docs/scaling.md computes.

Each is the growth of the CPU time of a process, over many of its kind; the time of an idle bridge is taken off.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.cpu import resident_megabytes, used_by
from benchmarks.figure import Figure
from benchmarks.household import household, trip
from benchmarks.programs import say, subscribed, tokens_of
from benchmarks.statements import StatementLog, logged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.ground import Ground
    from benchmarks.household import Household

_ROOMS, _MESSAGES_EACH, _MORE_AGENTS = 20, 20, 200
#: As many commands as the bot takes from one person in a short time.
_CHATS = 8
_SUBSCRIBERS, _TOKENS, _SAID = 200, 10, 40
#: Times that all rooms are compared.
_ROUNDS = 5
_IDLE, _LOOK, _PATIENCE = 20.0, 0.1, 600.0
_ROWS = "SELECT count(*) FROM room WHERE room_id IS NOT NULL"
_READY = "SELECT count(*) FROM room WHERE kind = 'home' AND bot_joined AND introduced AND space IS NOT NULL"
_BACKFILL = "UPDATE room SET backfilled_at = NULL"
_TO_BACKFILL = "SELECT count(*) FROM room WHERE room_id IS NOT NULL AND backfilled_at IS NULL"
_CHECK = "UPDATE room SET check_requests = check_requests + 1 WHERE kind = 'home'"
_TO_CHECK = "SELECT count(*) FROM room WHERE kind = 'home' AND check_requests <> checked"
_NOTIFY = "SELECT pg_notify('agent_bridge', %s)"


@dataclass(slots=True)
class Spent:
    """The cost of a number of things: seconds of CPU by process, statements, and seconds in all."""

    cpu: dict[str, float] = field(default_factory=dict)
    statements: float = 0.0
    seconds: float = 0.0


class Meter:
    """Measures the CPU time and the statements of the bridge and its servers."""

    def __init__(self, ground: Ground, home: Household) -> None:
        self._ground = ground
        self._processes = {"bridge": home.bridge.program.pid, **ground.processes}
        self.uri = home.bridge.config.database.url
        self._connection = psycopg.connect(self.uri, autocommit=True)
        # Only the statements of the bridge count.
        self._connection.execute("SET log_statement = 'none'")
        #: Of one second of the idle bridge.
        self.idle = Spent()

    @asynccontextmanager
    async def metered(self) -> AsyncIterator[Spent]:
        """Fill the result with the costs of the block, less those of an idle bridge."""
        spent = Spent()
        log, began = StatementLog(self._ground.postgres_log), time.monotonic()
        with used_by(self._processes) as used:
            yield spent
        spent.seconds = time.monotonic() - began
        spent.cpu = {name: seconds - self.idle.cpu.get(name, 0.0) * spent.seconds for name, seconds in used.items()}
        spent.statements = max(0.0, log.counts().total() - self.idle.statements * spent.seconds)

    async def settle(self) -> None:
        """Measure the idle bridge, after the work that follows a start."""
        await asyncio.sleep(_IDLE)
        async with self.metered() as spent:
            await asyncio.sleep(_IDLE)
        self.idle = Spent({name: used / _IDLE for name, used in spent.cpu.items()}, spent.statements / _IDLE)

    def number(self, query: str) -> int:
        """Return the number that *query* finds."""
        row = self._connection.execute(query.encode()).fetchone()
        return 0 if row is None else int(row[0])

    def change(self, statement: str, topic: str) -> None:
        """Run *statement*, and have the bridge look at *topic*."""
        self._connection.execute(statement.encode())
        self._connection.execute(_NOTIFY, [topic])

    async def until(self, query: str, wanted: int) -> None:
        """Wait until *query* finds the number *wanted*."""
        async with asyncio.timeout(_PATIENCE):
            found = self.number(query)
            while found != wanted:
                await asyncio.sleep(_LOOK)
                found = self.number(query)


async def costs(ground: Ground) -> list[Figure]:
    """Measure ``cost_of_…``."""
    # Fields of profiles come two a second, for long after the rooms are made: they would be counted as idle.
    sections: dict[str, Any] = {"api": {"requests_per_minute": 100_000}, "profiles": False, "presence": False}
    async with household(ground, "costs", _ROOMS, **sections) as home:
        with logged(home.bridge.config.database.url):
            meter = Meter(ground, home)
            await meter.settle()
            return [
                await _message(meter, home),
                await _subscriber(meter, home),
                await _agent(meter, home),
                await _room(meter, home),
                *await _rounds(meter),
            ]


def _figure(name: str, how: str, spent: Spent, number: int, **more: float) -> Figure:
    """Return the cost of one of *number* things."""
    cpu = {who: seconds / number * 1000 for who, seconds in spent.cpu.items()}
    return Figure(
        f"cost_of_{name}",
        cpu["bridge"],
        f"CPU milliseconds of the bridge's process for {how}",
        parts={
            **{f"CPU of {who}, ms": milliseconds for who, milliseconds in cpu.items() if who != "bridge"},
            "statements in PostgreSQL": spent.statements / number,
            "in all, ms": spent.seconds / number * 1000,
            **{each.replace("_", " "): value for each, value in more.items()},
        },
    )


async def _message(meter: Meter, home: Household) -> Figure:
    async def talk(room_id: str) -> None:
        for _ in range(_MESSAGES_EACH):
            await trip(home.person, home.upstream, room_id)

    for room_id in home.rooms:
        await trip(home.person, home.upstream, room_id)
    async with meter.metered() as spent:
        await asyncio.gather(*(talk(room_id) for room_id in home.rooms))
    number = _MESSAGES_EACH * len(home.rooms)
    how = f"a message and its answer, which comes at once; {number} messages in {len(home.rooms)} rooms at once."
    return _figure("a_message", how, spent, number)


async def _subscriber(meter: Meter, home: Household) -> Figure:
    tokens = await tokens_of(home, _TOKENS)
    async with subscribed(home, tokens, 1) as one:
        await say(home, one)
        async with meter.metered() as alone:
            for _ in range(_SAID):
                await say(home, one)
    before = resident_megabytes(home.bridge.program.pid)
    async with subscribed(home, tokens, _SUBSCRIBERS) as many:
        await say(home, many)
        async with meter.metered() as spent:
            for _ in range(_SAID):
                await say(home, many)
        memory = resident_megabytes(home.bridge.program.pid) - before
    # A message and its answer are two events.
    number = 2 * _SAID * (_SUBSCRIBERS - 1)
    added = {who: seconds - alone.cpu[who] for who, seconds in spent.cpu.items()}
    difference = Spent(added, max(0.0, spent.statements - alone.statements), max(0.0, spent.seconds - alone.seconds))
    how = f"one event of one of {_SUBSCRIBERS} subscribers to a room, compared with one subscriber; {2 * _SAID} events."
    return _figure("a_subscribers_event", how, difference, number, kB_of_memory=memory * 1000 / (_SUBSCRIBERS - 1))


async def _agent(meter: Meter, home: Household) -> Figure:
    pid, known = home.bridge.program.pid, meter.number(_READY)
    before = resident_megabytes(pid)
    async with meter.metered() as spent:
        home.upstream.add(f"Further agent {number}" for number in range(_MORE_AGENTS))
        await home.bridge.ready(known + _MORE_AGENTS)
        await meter.until(_READY, known + _MORE_AGENTS)
    memory = resident_megabytes(pid) - before
    how = f"a new agent with its ghost, picture, room, bot, introduction and invitation; {_MORE_AGENTS} agents."
    return _figure("an_agent", how, spent, _MORE_AGENTS, kB_of_memory=memory * 1000 / _MORE_AGENTS)


async def _room(meter: Meter, home: Household) -> Figure:
    before = meter.number(_ROWS)
    await home.person.say(home.rooms[0], "!ab new @Agent 1 First")
    await meter.until(_ROWS, before + 1)
    # The room of the command gets the descriptions of all commands, once.
    await asyncio.sleep(_IDLE)
    async with meter.metered() as spent:
        for number in range(_CHATS):
            await home.person.say(home.rooms[0], f"!ab new @Agent {number % _ROOMS + 1} Chat {number}")
        await meter.until(_ROWS, before + 1 + _CHATS)
    how = f"a further room, made by `!ab new`, with the command and its answer; {_CHATS} rooms."
    return _figure("a_room", how, spent, _CHATS)


async def _rounds(meter: Meter) -> list[Figure]:
    """Measure the two kinds of periodic work on a room."""
    rooms, homes = meter.number(_ROWS), meter.number(_READY)
    async with meter.metered() as read:
        for _ in range(_ROUNDS):
            meter.change(_BACKFILL, "backfill")
            await meter.until(_TO_BACKFILL, 0)
    async with meter.metered() as compared:
        for _ in range(_ROUNDS):
            meter.change(_CHECK, "agents")
            await meter.until(_TO_CHECK, 0)
    return [
        _figure(
            "a_backfill", f"a room's comparison with its history; {_ROUNDS} times {rooms} rooms.", read, _ROUNDS * rooms
        ),
        _figure(
            "a_comparison",
            f"the comparison of the state of an agent's room; {_ROUNDS} times {homes} rooms.",
            compared,
            _ROUNDS * homes,
        ),
    ]
