"""Time until a person sees the new name of an agent."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp

from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from agent_bridge.demo.client import Person
    from benchmarks.ground import Ground

_AGENTS = 10
_BATCHES = 2
_RENAMES = 20
#: Multiples of this share of the interval are spread evenly between two polls.
_GOLDEN = 0.618


async def rename(ground: Ground) -> list[Figure]:
    """Measure ``rename_visible_p95_ms``."""
    account = await ground.register()
    waited: list[float] = []
    applied: list[float] = []
    async with (
        Upstream() as upstream,
        ground.bridge("rename", upstream.api_url, rooms={"invite": [account[0]], "join_rule": "invite"}) as bridge,
        ground.person(account) as person,
        aiohttp.ClientSession(upstream.url) as http,
    ):
        upstream.add(f"Agent {number}" for number in range(1, _AGENTS + 1))
        await bridge.ready(_AGENTS)
        rooms = [bridge.rooms[f"Agent {number}"] for number in range(1, _AGENTS + 1)]
        for room_id in rooms:
            await person.join(room_id)
        interval = bridge.config.upstreams[0].poll_interval
        for number in range(_BATCHES * _RENAMES):
            await asyncio.sleep(number * _GOLDEN % 1 * interval)
            at = number % _AGENTS
            name = f"Renamed {number}"
            started = time.monotonic()
            async with http.patch(f"/agents/agent-{at + 1}", json={"name": name}) as response:
                response.raise_for_status()
            await _seen(person, rooms[at], bridge.config, f"agent-{at + 1}", name)
            listed = upstream.listed_at or started
            waited.append((listed - started) * 1000)
            applied.append((time.monotonic() - listed) * 1000)
    whole = [one + other for one, other in zip(waited, applied, strict=True)]
    return [
        Figure(
            "rename_visible_p95_ms",
            percentile(whole, 95),
            "Time from PATCH at the upstream until a person's /sync shows the new names of the ghost and of the "
            f"room; {len(whole)} renames, {_AGENTS} agents, one poll every {interval:g} s.",
            Aim(1000),
            [percentile(whole[at * _RENAMES :][:_RENAMES], 95) for at in range(_BATCHES)],
            {
                "p50 ms": median(whole),
                "slowest ms": max(whole),
                "PATCH until the next poll p50 ms": median(waited),
                "poll until both names are visible p50 ms": median(applied),
                "poll until both names are visible p95 ms": percentile(applied, 95),
            },
        )
    ]


async def _seen(person: Person, room_id: str, config: Config, agent_id: str, name: str) -> None:
    ghost = config.namespace.user_id(config.namespace.localpart(agent_id))
    displayname = config.templates.displayname.replace("{name}", name)
    room_name = config.templates.room_name.replace("{name}", name)

    def both() -> bool:
        room = person.room(room_id)
        return room.name == room_name and room.displayname(ghost) == displayname

    await person.wait_for(both)
