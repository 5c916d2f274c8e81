"""The speedup by a second process."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from benchmarks.cpu import used_by
from benchmarks.figure import Aim, Figure, median
from benchmarks.household import household, trip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.ground import Ground
    from benchmarks.household import Household

#: Lanes of one process: few, so that the processes are the limit and not the homeserver.
_LANES = 2
#: Duration of an answer in seconds.
_ANSWER = 0.5
_ROOMS = 20
_RUNS = 3
#: Seconds of a run, and of its warm-up.
RUN, WARM_UP = 10.0, 3.0


class Chat:
    """A person who writes in every room at once, and sends the next message after each answer."""

    def __init__(self, home: Household) -> None:
        self._home = home
        #: Number of answered messages.
        self.answers = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write during the block."""
        tasks = [asyncio.create_task(self._talk(room_id)) for room_id in self._home.rooms]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def rate(self) -> float:
        """Return the answers per second during a run."""
        await asyncio.sleep(WARM_UP)
        started, before = time.monotonic(), self.answers
        await asyncio.sleep(RUN)
        return (self.answers - before) / (time.monotonic() - started)

    async def _talk(self, room_id: str) -> None:
        while True:
            await trip(self._home.person, self._home.upstream, room_id)
            self.answers += 1


async def speedup(ground: Ground) -> list[Figure]:
    """Measure ``two_process_speedup``."""
    one: list[float] = []
    two: list[float] = []
    synapse = 0.0
    async with household(ground, "speedup", _ROOMS, lanes={"max_active_lanes": _LANES}) as home:
        home.upstream.pace = (_ANSWER,)
        chat = Chat(home)
        async with chat.running():
            for _ in range(_RUNS):
                one.append(await chat.rate())
                async with ground.process(home.bridge.config, "worker") as worker:
                    await worker.program.logs("turn claimed")
                    with used_by(ground.processes) as used:
                        two.append(await chat.rate())
                    synapse = max(synapse, used["Synapse"] / (WARM_UP + RUN) * 100)
    ideal = _LANES / _ANSWER
    return [
        Figure(
            "two_process_speedup",
            median(two) / median(one),
            "Answers per second of `agent-bridge run` with one `agent-bridge worker`, relative to `agent-bridge run` "
            f"alone. One person writes in {_ROOMS} rooms at once, without a pause between the {_RUNS} alternating "
            f"runs of {RUN:.0f} s each. An answer takes {_ANSWER * 1000:.0f} ms and `lanes.max_active_lanes` is "
            f"{_LANES}, so one process gives at most {_LANES} / {_ANSWER:g} s = {ideal:g} answers per second, minus "
            "the overhead of a message. The figure shows that lanes spread over processes and that the processes do "
            "not slow each other down. With the default of 50 lanes, the homeserver on the same machine is the limit "
            "before the processes are.",
            Aim(1.8, at_least=True),
            [more / less for more, less in zip(two, one, strict=True)],
            {
                "one process, answers per second": median(one),
                "two processes, answers per second": median(two),
                "maximum of one process by its lanes": ideal,
                "CPU of Synapse with two processes, % of a core": synapse,
            },
        )
    ]
