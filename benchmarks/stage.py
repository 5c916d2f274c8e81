"""A bridge and its baselines. Each has its own rooms, with the same person in all of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.bare import Bare
from benchmarks.cpu import seconds_of
from benchmarks.household import Trip, household, trip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from agent_bridge.demo.client import Person
    from benchmarks.ground import Ground
    from benchmarks.upstream import Upstream

#: Blocks per service, messages per block, and messages of the warm-up.
BLOCKS, MESSAGES, WARM_UP = 10, 25, 10
#: Seconds of the CPU that idle servers use at most, within the seconds behind it; and the longest wait for that.
_IDLE, _LOOK, _PATIENCE = 0.15, 5.0, 180.0
#: Seconds between an answer and the next question, in which the service finishes its work.
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Line:
    """One service under test."""

    name: str
    pid: int
    rooms: list[str]


@dataclass(frozen=True, slots=True)
class Stage:
    """A person in the rooms of a bridge and of its baselines."""

    person: Person
    upstream: Upstream
    bridge: Line
    others: list[Line]


@asynccontextmanager
async def stage(ground: Ground, name: str, rooms: int, **others: Sequence[str]) -> AsyncIterator[Stage]:
    """Run the bridge *name* and each of *others*, a module and its options, with *rooms* rooms each."""
    async with household(ground, name, rooms) as home, AsyncExitStack() as stack:
        lines = []
        for other, (module, *options) in others.items():
            service, upstream = f"{name}-{other}", home.upstream.api_url
            program = await stack.enter_async_context(ground.baseline(service, upstream, module, *options))
            bare = await stack.enter_async_context(Bare(ground.config(service), home.person.user_id))
            await bare.space()
            lines.append(Line(other, program.pid, [await bare.room() for _ in range(rooms)]))
            for room_id in lines[-1].rooms:
                await home.person.join(room_id)
        # A bridge goes on with profiles and orders of the Space after its rooms are ready.
        await _settled([home.bridge.program.pid, *ground.processes.values()])
        yield Stage(home.person, home.upstream, Line("bridge", home.bridge.program.pid, home.rooms), lines)


async def _settled(processes: Sequence[int]) -> None:
    """Wait until *processes* are idle."""
    async with asyncio.timeout(_PATIENCE):
        used, before = _IDLE + 1, seconds_of(processes)
        while used > _IDLE:
            await asyncio.sleep(_LOOK)
            now = seconds_of(processes)
            used, before = now - before, now


async def block(stage: Stage, line: Line, count: int) -> list[Trip]:
    """Send *count* messages to the first room of *line*, each after the answer to the previous one."""
    trips = []
    for _ in range(count):
        trips.append(await trip(stage.person, stage.upstream, line.rooms[0]))
        await asyncio.sleep(_PAUSE)
    return trips


async def blocks(stage: Stage, one: Line, other: Line) -> tuple[list[list[Trip]], list[list[Trip]]]:
    """Return the alternating blocks of both services, after a warm-up."""
    measured: tuple[list[list[Trip]], list[list[Trip]]] = ([], [])
    for line in (one, other):
        await block(stage, line, WARM_UP)
    for number in range(BLOCKS):
        lines = list(zip((one, other), measured, strict=True))
        for line, trips in lines if number % 2 else lines[::-1]:
            trips.append(await block(stage, line, MESSAGES))
    return measured
