"""How long an answer takes, and how many the bridge gives: beside a stock echo, on the same homeserver."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.bare import Bare
from benchmarks.cpu import used_by
from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.client import Person
    from benchmarks.ground import Ground

_BLOCKS = 10
_MESSAGES = 25
#: Seconds between an answer and the next question: what is left to do after an answer is done.
_PAUSE = 0.05
_WARM_UP = 10
_ROOMS = 50
_ROUNDS = 8
_RUNS = 3
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    """One of the two that answer."""

    name: str
    pid: int
    rooms: list[str]


@dataclass(frozen=True, slots=True)
class Stage:
    """A person in the rooms of both."""

    person: Person
    upstream: Upstream
    bridge: Line
    echo: Line
    #: The echo again, showing that it has read a message and told of it as the bridge is; None where not needed.
    courteous: Line | None


@dataclass(frozen=True, slots=True)
class Trip:
    """One message and its answer, in seconds since the message was sent."""

    #: When the person's request was answered.
    accepted: float
    #: When the upstream was asked; None for the echo.
    asked: float | None
    #: When the answer was in the person's /sync.
    seen: float


@asynccontextmanager
async def _stage(ground: Ground, name: str, rooms: int, *, courteous: bool = False) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        account = await ground.register()
        upstream = await stack.enter_async_context(Upstream())
        upstream.add(f"Agent {number}" for number in range(1, rooms + 1))
        echoes = [await _echo(stack, ground, f"{name}-echo", account[0], rooms)]
        if courteous:
            echoes.append(await _echo(stack, ground, f"{name}-courteous", account[0], rooms, "read"))
        rule = {"invite": [account[0]]}
        bridge = await stack.enter_async_context(ground.bridge(name, upstream.api_url, rooms=rule))
        await bridge.ready(rooms)
        person = await stack.enter_async_context(ground.person(account))
        ours = Line("bridge", bridge.program.pid, list(bridge.rooms.values()))
        for line in (ours, *echoes):
            for room_id in line.rooms:
                await person.join(room_id)
        yield Stage(person, upstream, ours, echoes[0], echoes[1] if courteous else None)


async def _echo(stack: AsyncExitStack, ground: Ground, name: str, invited: str, rooms: int, *options: str) -> Line:
    program = await stack.enter_async_context(ground.echo(name, *options))
    bare = await stack.enter_async_context(Bare(ground.config(name), invited))
    await bare.space()
    return Line(name.split("-")[1], program.pid, [await bare.room() for _ in range(rooms)])


async def _trip(stage: Stage, room_id: str) -> Trip:
    person, text = stage.person, f"Message {uuid4()}"

    def answered() -> bool:
        newest = islice(reversed(person.room(room_id).messages.values()), 3)
        return any(message.body == text and message.sender != person.user_id for message in newest)

    started = time.monotonic()
    await person.say(room_id, text)
    accepted = time.monotonic()
    await person.wait_for(answered, within=_PATIENCE)
    seen = time.monotonic()
    asked = stage.upstream.asked_at.pop(text, None)
    return Trip(accepted - started, asked and asked - started, seen - started)


async def _block(stage: Stage, line: Line, count: int) -> list[Trip]:
    trips = []
    for _ in range(count):
        trips.append(await _trip(stage, line.rooms[0]))
        await asyncio.sleep(_PAUSE)
    return trips


async def latency(ground: Ground) -> list[Figure]:
    """Measure ``latency_ratio_p50``."""
    async with _stage(ground, "latency", 1) as stage:
        for line in (stage.bridge, stage.echo):
            await _block(stage, line, _WARM_UP)
        bridge: list[list[Trip]] = []
        echo: list[list[Trip]] = []
        for number in range(_BLOCKS):
            lines = (stage.bridge, bridge), (stage.echo, echo)
            for line, blocks in lines if number % 2 else lines[::-1]:
                blocks.append(await _block(stage, line, _MESSAGES))
    ours = [trip.seen * 1000 for block in bridge for trip in block]
    theirs = [trip.seen * 1000 for block in echo for trip in block]
    trips = [trip for block in bridge for trip in block]
    asked = [(trip.asked or 0) * 1000 for trip in trips]
    return [
        Figure(
            "latency_ratio_p50",
            median(ours) / median(theirs),
            f"One person, one room of each: from PUT /send to the answer in their /sync, {len(ours)} messages each in "
            f"blocks of {_MESSAGES} that take turns; median of the bridge over median of the echo.",
            Aim(1.5),
            [
                median([trip.seen for trip in one]) / median([trip.seen for trip in other])
                for one, other in zip(bridge, echo, strict=True)
            ],
            {
                "bridge p50 ms": median(ours),
                "bridge p95 ms": percentile(ours, 95),
                "echo p50 ms": median(theirs),
                "echo p95 ms": percentile(theirs, 95),
                "bridge: PUT /send until answered p50 ms": median([trip.accepted * 1000 for trip in trips]),
                "bridge: PUT /send until the upstream is asked p50 ms": median(asked),
                "bridge: upstream asked until the answer is seen p50 ms": median(
                    [one - other for one, other in zip(ours, asked, strict=True)]
                ),
            },
        )
    ]


async def throughput(ground: Ground) -> list[Figure]:
    """Measure ``throughput_ratio``."""

    async def chat(room_id: str) -> None:
        for _ in range(_ROUNDS):
            await _trip(stage, room_id)

    async with _stage(ground, "throughput", _ROOMS, courteous=True) as stage:
        lines = [line for line in (stage.bridge, stage.echo, stage.courteous) if line is not None]
        for line in lines:
            await asyncio.gather(*(_trip(stage, room_id) for room_id in line.rooms))
        rates: dict[str, list[float]] = {line.name: [] for line in lines}
        parts: dict[str, list[float]] = {}
        for number in range(_RUNS):
            for line in lines if number % 2 else lines[::-1]:
                started = time.monotonic()
                with used_by({"service": line.pid, **ground.processes}) as used:
                    await asyncio.gather(*(chat(room_id) for room_id in line.rooms))
                trips = _ROUNDS * len(line.rooms)
                rates[line.name].append(trips / (time.monotonic() - started))
                for name, seconds in used.items():
                    parts.setdefault(f"{line.name}: CPU of {name}, ms per message", []).append(seconds / trips * 1000)
    return [
        Figure(
            "throughput_ratio",
            median(rates["bridge"]) / median(rates["echo"]),
            f"One person writes in {_ROOMS} rooms at once, each next message after the answer to the one before, "
            f"{_ROUNDS * _ROOMS} messages a run, {_RUNS} runs each that take turns; round trips per second of the "
            "bridge over those of the echo, medians. The *courteous* echo does what the bridge does in the room: it "
            "shows a receipt for every message, which the homeserver hands to the person's /sync and, as registered, "
            "back to the service. The distance between the two echoes is the price of that on the homeserver, which "
            "has one core and limits all three; what is left is the bridge's own CPU and its database's on the other.",
            Aim(0.9, at_least=True),
            [one / other for one, other in zip(rates["bridge"], rates["echo"], strict=True)],
            {
                "bridge, round trips per second": median(rates["bridge"]),
                "echo, round trips per second": median(rates["echo"]),
                "courteous echo, round trips per second": median(rates["courteous"]),
                "bridge over the courteous echo": median(rates["bridge"]) / median(rates["courteous"]),
                **{name: median(values) for name, values in parts.items()},
            },
        )
    ]
