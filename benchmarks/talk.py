"""How long an answer takes, and how many the bridge gives: beside a stock echo, on the same homeserver."""

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
            f"One person, one room of each: from PUT /send to the answer in their /sync, {len(ours)} messages each in "
            f"blocks of {MESSAGES} that take turns; median of the bridge over median of the echo.",
            Aim(1.5),
            [
                median([each.seen for each in one]) / median([each.seen for each in other])
                for one, other in zip(bridge, echo, strict=True)
            ],
            {
                "bridge p50 ms": median(ours),
                "bridge p95 ms": percentile(ours, 95),
                "echo p50 ms": median(theirs),
                "echo p95 ms": percentile(theirs, 95),
                "bridge: PUT /send until answered p50 ms": median([each.accepted * 1000 for each in trips]),
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
