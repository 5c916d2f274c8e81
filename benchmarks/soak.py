"""``python -m benchmarks.soak [--minutes N]``: send messages to a bridge for a while and measure its growth.

The exit code is 0 only if every message was answered once and every value is within its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge import log
from benchmarks.cpu import resident_megabytes
from benchmarks.footprint import BLOCKED, CONNECTIONS, DESCRIPTORS, MEMORY, POOLED, TASKS, footprint
from benchmarks.ground import Ground
from benchmarks.household import answered, household, question
from benchmarks.machine import describe_machine
from benchmarks.soak_page import Course, Soak, page, table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from benchmarks.household import Household

_REPORT = Path(__file__).resolve().parent.parent / "docs" / "soak.md"
_ROOMS, _RATE = 20, 5.0
#: Seconds before each piece of an answer: it is shown early and edited several times.
_PACE = (0.1, 0.4, 0.5, 0.5)
#: Every fifth time the person sends two messages at once.
_PAIR = 5
_PATIENCE = 60.0
#: Minimum of the warm-up in seconds, and its share of the test.
_WARM_UP, _WARM_UP_SHARE = 30.0, 0.05
#: Seconds until idle connections are closed (aiohttp's keep-alive: 15 s). Those that remain would be a leak.
_REST = 20.0
#: Number of measurements of the memory during the test.
_LOOKS = 10
#: Allowed growth: MB, tasks, descriptors, and rows of each table of the queue.
_MORE_MEMORY, _MORE_TASKS, _MORE_DESCRIPTORS, _MORE_ROWS = 25, 10, 20, 10
#: Milliseconds for which the event loop may compute without a pause.
_MOST_BLOCKED = 50
#: Database connections outside the pool: for locks, for notifications, and a short-lived one.
_BESIDE_POOL = 3


class Chatter:
    """A person who writes in all rooms, at a limited rate."""

    def __init__(self, home: Household) -> None:
        self._person = home.person
        #: The questions in each room.
        self.asked: dict[str, list[str]] = {room_id: [] for room_id in home.rooms}

    async def talk(self, seconds: float) -> None:
        """Send messages for *seconds*, and wait for the answers to the last ones."""
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._talk(room_id, number, until) for number, room_id in enumerate(self.asked)))

    def outcome(self) -> tuple[int, int]:
        """Return the number of messages without an answer and the number of duplicate answers."""
        missing = doubled = 0
        for room_id, asked in self.asked.items():
            messages = self._person.room(room_id).messages.values()
            said = [message.body for message in messages if message.sender != self._person.user_id]
            missing += len(set(asked) - set(said))
            doubled += len(said) - len(set(said))
        return missing, doubled

    async def _talk(self, room_id: str, number: int, until: float) -> None:
        # The rooms take turns.
        await asyncio.sleep(number / _RATE)
        while (now := time.monotonic()) < until:
            number += 1
            texts = [question() for _ in range(2 if number % _PAIR == 0 else 1)]
            for text in texts:
                self.asked[room_id].append(text)
                await self._person.say(room_id, text)
            with suppress(TimeoutError):  # the outcome counts it
                await self._person.wait_for(partial(self._answered, room_id, texts), within=_PATIENCE)
            await asyncio.sleep(max(0.0, now + len(texts) * len(self.asked) / _RATE - time.monotonic()))

    def _answered(self, room_id: str, texts: Sequence[str]) -> bool:
        return all(answered(self._person, room_id, text) for text in texts)


@asynccontextmanager
async def _looks(pid: int, interval: float) -> AsyncIterator[list[float]]:
    """Fill the list with the resident memory of a process, measured every *interval* seconds of the block."""
    looks: list[float] = []

    async def look() -> None:
        while True:
            await asyncio.sleep(interval)
            looks.append(resident_megabytes(pid))

    looking = asyncio.create_task(look())
    try:
        yield looks
    finally:
        looking.cancel()
        await asyncio.wait({looking})


def _ceilings(start: Mapping[str, float], pool_size: int) -> dict[str, float]:
    queue = {name: rows + _MORE_ROWS for name, rows in start.items() if name.startswith("rows of procrastinate_")}
    return {
        MEMORY: start[MEMORY] + _MORE_MEMORY,
        TASKS: start[TASKS] + _MORE_TASKS,
        POOLED: pool_size,
        CONNECTIONS: pool_size + _BESIDE_POOL,
        DESCRIPTORS: start[DESCRIPTORS] + _MORE_DESCRIPTORS,
        BLOCKED: _MOST_BLOCKED,
        **queue,
    }


async def soak(minutes: float) -> Soak:
    """Send messages to a bridge for *minutes* after the warm-up."""
    seconds = minutes * 60
    warm_up = max(_WARM_UP, seconds * _WARM_UP_SHARE)
    course = Course(minutes, _ROOMS, _RATE, sum(_PACE), warm_up, _REST)
    async with Ground() as ground, household(ground, "soak", _ROOMS) as home:
        home.upstream.pace = _PACE
        chatter = Chatter(home)
        print(f"warming up for {warm_up:.0f} s …", flush=True)
        await chatter.talk(warm_up)
        await asyncio.sleep(_REST)
        start = await footprint(home.bridge)
        print(f"sending messages for {minutes:g} minutes …", flush=True)
        async with _looks(home.bridge.program.pid, seconds / _LOOKS) as memory:
            await chatter.talk(seconds)
        await asyncio.sleep(_REST)
        end = await footprint(home.bridge)
        ceilings = _ceilings(start, home.bridge.config.database.pool_size)
        messages = sum(map(len, chatter.asked.values()))
        return Soak(course, messages, *chatter.outcome(), start, end, ceilings, memory)


def main() -> int:
    """Run the soak test, print the result and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="duration of the test (default: %(default)s)")
    parser.add_argument("--report", type=Path, default=_REPORT, help="file of the report (default: docs/soak.md)")
    arguments = parser.parse_args()
    log.configure("warning", "console")
    soaked = asyncio.run(soak(arguments.minutes))
    arguments.report.write_text(page(soaked, describe_machine()), encoding="utf-8")
    print("\n".join([*table(soaked), *soaked.faults, soaked.verdict]))
    return 1 if soaked.faults else 0


if __name__ == "__main__":
    sys.exit(main())
