"""CPU time of the bridge for the deltas of answers, and of a baseline that only reads them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from benchmarks.cpu import used_by
from benchmarks.figure import Figure, median
from benchmarks.household import household, question, told
from benchmarks.program import LoggedProgram
from benchmarks.prose import EVERY, prose

if TYPE_CHECKING:
    from benchmarks.ground import Ground
    from benchmarks.household import Household
    from benchmarks.upstream import Telling

_ROOMS, _SECONDS, _RUNS = 10, 25, 3
#: Seconds for which an idle bridge is measured.
_IDLE = 10.0
_PATIENCE = 60.0


async def deltas(ground: Ground) -> list[Figure]:
    """Measure ``cpu_ms_per_1000_deltas``."""
    telling = prose(_SECONDS)
    thousands = _ROOMS * len(telling) / 1000
    bridge, reader, synapse = list[float](), list[float](), list[float]()
    async with household(ground, "deltas", _ROOMS) as home:
        processes = {"bridge": home.bridge.program.pid, **ground.processes}
        with used_by(processes) as idle:
            await asyncio.sleep(_IDLE)
        for _ in range(_RUNS):
            with used_by(processes) as used:
                await asyncio.gather(*(told(home, number, telling) for number in range(_ROOMS)))
            bridge.append(used["bridge"] * 1000 / thousands)
            synapse.append(used["Synapse"] * 1000 / thousands)
            reader.append(await _read(home, telling) * 1000 / thousands)
    return [
        Figure(
            "cpu_ms_per_1000_deltas",
            median(bridge),
            f"CPU time of the bridge's process per 1,000 deltas, in {_RUNS} runs. It answers in {_ROOMS} rooms at "
            f"once with the default configuration: each answer has {len(telling)} deltas, one every "
            f"{EVERY * 1000:.0f} ms, which are read, rendered, shown by edits and committed. *The reader* reads the "
            "same answers from the same upstream with plain aiohttp and only parses them.",
            repetitions=bridge,
            parts={
                "the reader, ms": median(reader),
                "bridge over reader": median(bridge) / median(reader),
                "CPU of Synapse, ms": median(synapse),
                "CPU of the idle bridge, % of a core": idle["bridge"] / _IDLE * 100,
            },
        )
    ]


async def _read(home: Household, telling: Telling) -> float:
    """Return the CPU seconds of a process that only reads the same answers as the bridge."""
    questions = [question() for _ in home.rooms]
    home.upstream.tellings.update(dict.fromkeys(questions, telling))
    async with LoggedProgram("benchmarks.reader", home.upstream.api_url, *questions) as reader:
        await reader.wait_until(lambda: "read" in reader.heard, within=_SECONDS + _PATIENCE)
    return float(reader.heard["read"][0]["seconds"])
