"""The cost of durability: the bridge, and a baseline with the same code but without the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.cpu import used_by
from benchmarks.figure import Figure, median, percentile
from benchmarks.stage import BLOCKS, MESSAGES, WARM_UP, blocks, stage

if TYPE_CHECKING:
    from benchmarks.ground import Ground


async def durability(ground: Ground) -> list[Figure]:
    """Measure ``durability_ms_per_message``."""
    async with stage(ground, "durability", 1, relay=["benchmarks.relay"]) as both:
        (relay,) = both.others
        processes = {"the bridge": both.bridge.pid, "the relay": relay.pid, **ground.processes}
        with used_by(processes) as used:
            bridged, relayed = await blocks(both, both.bridge, relay)
    ours, theirs = ([trip.seen * 1000 for block in each for trip in block] for each in (bridged, relayed))
    said = WARM_UP + BLOCKS * MESSAGES
    return [
        Figure(
            "durability_ms_per_message",
            median(ours) - median(theirs),
            "Time from PUT /send to the answer in the person's /sync, as for `latency_ratio_p50`: p50 of the bridge "
            "minus p50 of a *stateless relay*. The relay has the bridge's endpoint, rules, clients and rendition and "
            "makes the same requests to the homeserver and to the same upstream. It stores nothing and responds to "
            "the homeserver before it processes an event, so a kill loses messages. The bridge also commits the "
            f"message, queues its lane, claims the turn, commits the answer and closes the turn. {len(ours)} messages "
            f"each, in alternating blocks of {MESSAGES}.",
            repetitions=[
                (median([trip.seen for trip in one]) - median([trip.seen for trip in other])) * 1000
                for one, other in zip(bridged, relayed, strict=True)
            ],
            parts={
                "bridge over relay, p50": median(ours) / median(theirs),
                "bridge p50 ms": median(ours),
                "bridge p95 ms": percentile(ours, 95),
                "relay p50 ms": median(theirs),
                "relay p95 ms": percentile(theirs, 95),
                "CPU of the bridge, including idle polling, ms per message": used["the bridge"] / said * 1000,
                "CPU of the relay, ms per message": used["the relay"] / said * 1000,
                "CPU of PostgreSQL, ms per message of the bridge": used["PostgreSQL"] / said * 1000,
            },
        )
    ]
