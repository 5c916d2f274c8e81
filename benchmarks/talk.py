"""Latency and throughput of the bridge, and of the baseline *echo* on the same homeserver."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.cpu import used_by
from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.household import trip
from benchmarks.stage import MESSAGES, blocks, stage

if TYPE_CHECKING:
    from benchmarks.ground import Ground

_ROOMS = 50
_ROUNDS = 8
_RUNS = 3


async def latency(ground: Ground) -> list[Figure]:
    """Measure ``latency_ratio_p50``."""
    async with stage(ground, "latency", 1, echo=["benchmarks.echo"]) as both:
        bridge, echo = await blocks(both, both.bridge, *both.others)
    trips = [each for one in bridge for each in one]
    ours = [each.seen * 1000 for each in trips]
    theirs = [each.seen * 1000 for one in echo for each in one]
    asked = [(each.asked or 0) * 1000 for each in trips]
    return [
        Figure(
            "latency_ratio_p50",
            median(ours) / median(theirs),
            "Time from PUT /send to the answer in the person's /sync, with one person and one room of each service; "
            f"median of the bridge over median of the echo. {len(ours)} messages each, in alternating blocks of "
            f"{MESSAGES}.",
            Aim(1.3),
            [
                median([each.seen for each in one]) / median([each.seen for each in other])
                for one, other in zip(bridge, echo, strict=True)
            ],
            {
                "bridge p50 ms": median(ours),
                "bridge p95 ms": percentile(ours, 95),
                "echo p50 ms": median(theirs),
                "echo p95 ms": percentile(theirs, 95),
                "bridge: PUT /send until the homeserver responds p50 ms": median(
                    [each.accepted * 1000 for each in trips]
                ),
                "bridge: PUT /send until the question is at the upstream p50 ms": median(asked),
                "bridge: question at the upstream until the answer is visible p50 ms": median(
                    [one - other for one, other in zip(ours, asked, strict=True)]
                ),
            },
        )
    ]


async def throughput(ground: Ground) -> list[Figure]:
    """Measure ``throughput_ratio``."""

    async def chat(room_id: str) -> None:
        for _ in range(_ROUNDS):
            await trip(three.person, three.upstream, room_id)

    echoes = {"echo": ["benchmarks.echo"], "courteous": ["benchmarks.echo", "read"]}
    async with stage(ground, "throughput", _ROOMS, **echoes) as three:
        lines = [three.bridge, *three.others]
        for line in lines:
            await asyncio.gather(*(trip(three.person, three.upstream, room_id) for room_id in line.rooms))
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
            f"Answers per second of the bridge over those of the echo, medians. One person writes in {_ROOMS} rooms "
            f"at once and sends the next message after each answer; {_ROUNDS * _ROOMS} messages per run, {_RUNS} "
            "alternating runs each. The homeserver uses one core and limits all three services. It takes longer for "
            "the same request while the other core works. The *courteous* echo also sends a read receipt for every "
            "message; the bridge sends one only if the answer takes longer than 0.25 s.",
            Aim(0.9, at_least=True),
            [one / other for one, other in zip(rates["bridge"], rates["echo"], strict=True)],
            {
                "bridge, answers per second": median(rates["bridge"]),
                "echo, answers per second": median(rates["echo"]),
                "courteous echo, answers per second": median(rates["courteous"]),
                "bridge over the courteous echo": median(rates["bridge"]) / median(rates["courteous"]),
                **{name: median(values) for name, values in parts.items()},
            },
        )
    ]
