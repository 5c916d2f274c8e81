"""A repair of many intact rooms, and the requests that it needs without a bridge."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import psycopg

from agent_bridge.demo.account import call
from benchmarks.figure import Aim, Figure
from benchmarks.start import ROOMS, many_rooms

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from benchmarks.ground import Ground

_REPAIRS = 3
_V3 = "/_matrix/client/v3"


def _rooms(uri: str) -> list[tuple[str, str]]:
    """Return the room ids and the ghosts of the homes."""
    with psycopg.connect(uri) as connection:
        query = "SELECT r.room_id, a.ghost FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'"
        return [(str(room_id), str(ghost)) for room_id, ghost in connection.execute(query)]


def _duration(uri: str) -> float:
    """Return the seconds of the last operation."""
    with psycopg.connect(uri) as connection:
        query = "SELECT extract(epoch FROM finished_at - created_at)::float FROM operation ORDER BY id DESC LIMIT 1"
        row = connection.execute(query).fetchone()
    return 0.0 if row is None else float(row[0])


async def _bare(config: Config, rooms: list[tuple[str, str]]) -> float:
    """Read the state and the alias of each room, as many at a time as the bridge; return the seconds."""
    token = config.appservice.as_token.get_secret_value()
    headers, left, bot = {"Authorization": f"Bearer {token}"}, iter(rooms), config.namespace.bot
    async with aiohttp.ClientSession(config.homeserver.address, headers=headers) as http:

        async def work() -> None:
            for room_id, ghost in left:
                alias = quote(config.namespace.alias(ghost), safe="")
                await call(http, "GET", f"{_V3}/rooms/{quote(room_id)}/state", None, query={"user_id": bot})
                await call(http, "GET", f"{_V3}/directory/room/{alias}", None, query={"user_id": bot})

        started = time.monotonic()
        await asyncio.gather(*(work() for _ in range(config.rooms.concurrency)))
        return time.monotonic() - started


async def repair(ground: Ground) -> list[Figure]:
    """Measure ``repair_requests_ratio`` and ``repair_ratio``."""
    requests: list[float] = []
    seconds: dict[str, list[float]] = {"bridge": [], "bare": [], "command": []}
    async with many_rooms(ground, "repair", ROOMS) as (config, proxy):
        rooms = _rooms(config.database.url)
        needed = 2 * len(rooms) + 2
        for _ in range(_REPAIRS):
            seconds["bare"].append(await _bare(config, rooms))
            proxy.reset()
            started = time.monotonic()
            async with ground.process(config, "repair") as command:
                await command.program.wait()
            seconds["command"].append(time.monotonic() - started)
            seconds["bridge"].append(_duration(config.database.url))
            requests.append(float(proxy.requests))
    return [
        Figure(
            "repair_requests_ratio",
            sum(requests) / len(requests) / needed,
            f"Requests of `agent-bridge repair` with {ROOMS} intact rooms, over those that it needs: the state and the "
            f"alias of each room and of the Space. {_REPAIRS} repairs.",
            Aim(1.2),
            [each / needed for each in requests],
        ),
        Figure(
            "repair_ratio",
            sum(seconds["bridge"]) / sum(seconds["bare"]),
            "Time of these repairs, over the time of the needed requests without a bridge, at the same concurrency "
            f"({config.rooms.concurrency}); in alternation.",
            Aim(1.2),
            [one / other for one, other in zip(seconds["bridge"], seconds["bare"], strict=True)],
            {
                "repair, s": sum(seconds["bridge"]) / _REPAIRS,
                "bare requests, s": sum(seconds["bare"]) / _REPAIRS,
                "whole command, s": sum(seconds["command"]) / _REPAIRS,
            },
        ),
    ]
