"""What a second process adds."""

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

#: Rooms that one process answers at the same time: few, so that the processes are the limit and not the homeserver.
_LANES = 2
#: Seconds that the upstream takes for an answer.
_ANSWER = 0.5
_ROOMS = 20
_RUNS = 3
#: Seconds of a run, and those before it.
_RUN, _WARM_UP = 10.0, 3.0


class Chat:
    """A person who talks in every room at once, the next message after the answer to the one before."""

    def __init__(self, home: Household) -> None:
        self._home = home
        #: Messages that were answered.
        self.answers = 0

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Talk for the length of the block."""
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
        """Return the answers per second of a run."""
        await asyncio.sleep(_WARM_UP)
        started, before = time.monotonic(), self.answers
        await asyncio.sleep(_RUN)
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
        async with chat.going_on():
            for _ in range(_RUNS):
                one.append(await chat.rate())
                async with ground.process(home.bridge.config, "worker") as worker:
                    await worker.program.logs("message taken up")
                    with used_by(ground.processes) as used:
                        two.append(await chat.rate())
                    synapse = max(synapse, used["Synapse"] / (_WARM_UP + _RUN) * 100)
    ideal = _LANES / _ANSWER
    return [
        Figure(
            "two_process_speedup",
            median(two) / median(one),
            f"Round trips per second with `agent-bridge run` and one `agent-bridge worker` over those of "
            f"`agent-bridge run` alone; one person talks in {_ROOMS} rooms at once, {_RUNS} runs of {_RUN:.0f} s each "
            f"that take turns, while the talk goes on. The upstream takes {_ANSWER * 1000:.0f} ms for an answer and "
            f"`lanes.max_active_lanes` is {_LANES}: a process then gives at most {_LANES} / {_ANSWER:g} s = "
            f"{ideal:g} answers per second, less what a message needs besides. It shows that the lanes spread "
            "over processes and that these do not hinder each other; a process's capacity is its `max_active_lanes` "
            "(50 unless configured), and on one machine the homeserver is the limit long before two such processes "
            "are.",
            Aim(1.8, at_least=True),
            [more / less for more, less in zip(two, one, strict=True)],
            {
                "one process, round trips per second": median(one),
                "two processes, round trips per second": median(two),
                "at most, by the lanes of one process": ideal,
                "CPU of Synapse with two, % of a core": synapse,
            },
        )
    ]
