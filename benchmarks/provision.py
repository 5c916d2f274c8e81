"""Time until agents have their rooms, and the time of the same requests without a bridge."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.bare import Bare
from benchmarks.cpu import resident_megabytes, seconds_of, used_by
from benchmarks.figure import Aim, Figure
from benchmarks.sink import sink
from benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from benchmarks.ground import Bridge, Ground

_AGENTS = 200
_BLOCK = 50
#: Seconds for which the bridge is measured after the last room.
_IDLE = 10.0


async def _make_bare(bare: Bare, count: int, concurrency: int) -> float:
    """Return the seconds for *count* rooms, *concurrency* at a time."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await bare.room()

    started = time.monotonic()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return time.monotonic() - started


async def _make_bridged(bridge: Bridge, upstream: Upstream, count: int) -> float:
    """Return the seconds for *count* agents, from the first poll that lists them."""
    known = len(bridge.rooms)
    upstream.add(f"Agent {number}" for number in range(known + 1, known + count + 1))
    await bridge.ready(known + count)
    return time.monotonic() - (upstream.listed_at or 0)


async def provision(ground: Ground) -> list[Figure]:
    """Measure ``provision_ratio`` and ``rss_mb``."""
    # The person is invited but has no client: every room would wake its /sync.
    account = await ground.register()
    bare_config = ground.config("provision-bare")
    rule = {"invite": [account[0]], "join_rule": "invite"}
    seconds: dict[str, list[float]] = {"bridge": [], "bare": []}
    async with (
        Upstream() as upstream,
        sink(bare_config.appservice),
        Bare(bare_config, account[0]) as bare,
        ground.bridge("provision", upstream.api_url, rooms=rule) as bridge,
    ):
        await bare.space()
        await bare.room()
        upstream.add(["Agent 1"])
        await bridge.ready(1)
        processes = {"the bridge": bridge.program.pid, **ground.processes}
        with used_by(processes) as used:
            for number in range(_AGENTS // _BLOCK):
                for kind in ("bridge", "bare") if number % 2 else ("bare", "bridge"):
                    if kind == "bare":
                        taken = await _make_bare(bare, _BLOCK, bridge.config.rooms.concurrency)
                    else:
                        taken = await _make_bridged(bridge, upstream, _BLOCK)
                    seconds[kind].append(taken)
        before = seconds_of([bridge.program.pid])
        await asyncio.sleep(_IDLE)
        idle = (seconds_of([bridge.program.pid]) - before) / _IDLE * 100
        memory = resident_megabytes(bridge.program.pid)
    return [
        Figure(
            "provision_ratio",
            sum(seconds["bridge"]) / sum(seconds["bare"]),
            f"Time from the first poll that lists {_AGENTS} agents until each has its ghost, name, avatar, room, bot, "
            "introduction, place in the Space and invitation, relative to the same requests without a bridge at the "
            f"same concurrency ({bridge.config.rooms.concurrency}). Alternating blocks of {_BLOCK} agents.",
            Aim(1.15),
            [one / other for one, other in zip(seconds["bridge"], seconds["bare"], strict=True)],
            {
                "bridge, ms per agent": sum(seconds["bridge"]) / _AGENTS * 1000,
                "bare requests, ms per agent": sum(seconds["bare"]) / _AGENTS * 1000,
                "CPU of the bridge, ms per agent": used["the bridge"] / _AGENTS * 1000,
                "CPU of PostgreSQL, ms per agent": used["PostgreSQL"] / _AGENTS * 1000,
                "CPU of Synapse, ms per agent and bare room": used["Synapse"] / _AGENTS * 1000,
            },
        ),
        Figure(
            "rss_mb",
            memory,
            f"Resident memory of the bridge's process with {_AGENTS + 1} agents, {_IDLE:.0f} s after the last room "
            "was created, without the processes of the embedded PostgreSQL.",
            parts={"CPU of the idle bridge, % of a core": idle},
        ),
    ]
