"""The speedup by four processes on one database, where waiting for the agents' server is the limit."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from benchmarks.cpu import used_by
from benchmarks.figure import Aim, Figure, median
from benchmarks.footprint import database_connections
from benchmarks.household import household
from benchmarks.speedup import RUN, WARM_UP, Chat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ground import Bridge, Ground

#: Processes; lanes of each, few, so that waiting is the limit; and rooms, more than all lanes together.
_PROCESSES, _LANES, _ROOMS = 4, 2, 40
#: Duration of an answer in seconds.
_ANSWER = 1.0
_RUNS = 3


async def four_processes(ground: Ground) -> list[Figure]:
    """Measure ``four_process_speedup``."""
    one: list[float] = []
    four: list[float] = []
    cpu: dict[str, float] = {}
    connections = 0
    async with household(ground, "four", _ROOMS, lanes={"max_active_lanes": _LANES}) as home:
        home.upstream.pace = (_ANSWER,)
        chat = Chat(home)
        async with chat.running():
            for _ in range(_RUNS):
                one.append(await chat.rate())
                async with AsyncExitStack() as stack:
                    config = home.bridge.config
                    workers = [
                        await stack.enter_async_context(ground.process(config, "worker")) for _ in range(_PROCESSES - 1)
                    ]
                    for worker in workers:
                        await worker.program.logs("turn claimed")
                    with used_by(_named(ground, [home.bridge, *workers])) as cpu:
                        four.append(await chat.rate())
                    connections = max(connections, database_connections(config.database.url))
    ideal, seconds = _LANES / _ANSWER, WARM_UP + RUN
    return [
        Figure(
            "four_process_speedup",
            median(four) / median(one),
            f"Answers per second of `agent-bridge run` with {_PROCESSES - 1} `agent-bridge worker` on the same "
            f"database, relative to `agent-bridge run` alone. One person writes in {_ROOMS} rooms at once, without a "
            f"pause between the {_RUNS} alternating runs of {RUN:.0f} s each. An answer takes {_ANSWER:g} s and "
            f"`lanes.max_active_lanes` is {_LANES}, so waiting is the limit: one process gives at most {ideal:g} "
            "answers per second. All processes have the two cores of the machine in common; more CPU by more processes "
            "is not measured here.",
            Aim(3.5, at_least=True),
            [more / less for more, less in zip(four, one, strict=True)],
            {
                "one process, answers per second": median(one),
                "four processes, answers per second": median(four),
                "maximum of one process by its lanes": ideal,
                "database connections of the four": connections,
                **{f"CPU of {name} with four, % of a core": used / seconds * 100 for name, used in cpu.items()},
            },
        )
    ]


def _named(ground: Ground, bridges: Sequence[Bridge]) -> dict[str, int]:
    """Return the processes by their names."""
    names = ["the first process", *(f"worker {number}" for number in range(1, len(bridges)))]
    return dict(zip(names, (each.program.pid for each in bridges), strict=True)) | ground.processes
