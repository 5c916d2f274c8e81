"""Time until the rooms of two hundred agents have a changed role, and the time of the bare writes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from agent_bridge.demo.account import V3, call
from agent_bridge.matrix.rooms import MODERATOR_POWER
from benchmarks.cpu import used_by
from benchmarks.figure import Aim, Figure
from benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.demo.client import Person
    from benchmarks.ground import Bridge, Ground

_AGENTS, _BLOCKS = 200, 6
#: Rooms that are changed at the same time.
_TOGETHER = 4
_PATIENCE = 120.0
_DONE = "rooms follow the roles"


class _BareWrites:
    """Writes the power levels of rooms as the ghosts in them, with the contents that the bridge would write."""

    def __init__(self, bridge: Bridge, rooms: Sequence[str]) -> None:
        token = bridge.config.appservice.as_token.get_secret_value()
        self._http = aiohttp.ClientSession(
            bridge.config.homeserver.address, headers={"Authorization": f"Bearer {token}"}
        )
        names = bridge.config.namespace
        self._ghosts = [names.user_id(names.localpart(f"agent-{number + 1}")) for number in range(len(rooms))]
        self._rooms = rooms

    async def close(self) -> None:
        await self._http.close()

    async def levels(self) -> list[dict[str, Any]]:
        """Return the present levels of all rooms."""
        return [await self._ask("GET", number) for number in range(len(self._rooms))]

    async def write(self, contents: Sequence[dict[str, Any]]) -> float:
        """Write *contents*, and return the seconds."""
        left = iter(range(len(self._rooms)))

        async def work() -> None:
            for number in left:
                await self._ask("PUT", number, contents[number])

        started = time.monotonic()
        await asyncio.gather(*(work() for _ in range(_TOGETHER)))
        return time.monotonic() - started

    async def _ask(self, method: str, number: int, content: dict[str, Any] | None = None) -> Any:
        path = f"{V3}/rooms/{quote(self._rooms[number])}/state/m.room.power_levels"
        return await call(self._http, method, path, content, query={"user_id": self._ghosts[number]})


async def role_change(ground: Ground) -> list[Figure]:
    """Measure ``role_change_ratio``."""
    account = await ground.register()
    permissions = {account[0]: "owner"}
    seconds: dict[str, list[float]] = {"bridge": [], "bare": []}
    async with (
        Upstream() as upstream,
        ground.bridge("role-change", upstream.api_url, permissions=permissions) as bridge,
        ground.person(account) as person,
    ):
        upstream.add(f"Agent {number}" for number in range(1, _AGENTS + 1))
        await bridge.ready(_AGENTS)
        rooms = [bridge.rooms[f"Agent {number}"] for number in range(1, _AGENTS + 1)]
        bot = bridge.config.namespace.bot
        chat = str((await person.ask("POST", "/createRoom", {"is_direct": True, "invite": [bot]}))["room_id"])
        await person.wait_for(lambda: person.room(chat).said_by(bot), _PATIENCE)
        bare = _BareWrites(bridge, rooms)
        try:
            with used_by({"the bridge": bridge.program.pid, **ground.processes}) as used:
                for number in range(_BLOCKS):
                    user = f"@user{number}:{bridge.config.homeserver.domain}"
                    for kind in ("bridge", "bare") if number % 2 else ("bare", "bridge"):
                        if kind == "bridge":
                            taken = await _change(bridge, person, chat, user)
                            levels = await bare.levels()
                            if not all(each["users"].get(user) == MODERATOR_POWER for each in levels):
                                raise RuntimeError("a room does not have the level")
                        else:
                            other = f"@bare{number}:{bridge.config.homeserver.domain}"
                            contents = [_with(each, other) for each in await bare.levels()]
                            taken = await bare.write(contents)
                        seconds[kind].append(taken)
        finally:
            await bare.close()
    return [
        Figure(
            "role_change_ratio",
            sum(seconds["bridge"]) / sum(seconds["bare"]),
            f"Time from `role @user moderator` of an owner until the rooms of {_AGENTS} agents have the power level of "
            "the user, which the bridge reads in each of them first, relative to the bare writes of the same contents "
            f"to the same rooms, {_TOGETHER} at a time. Alternating blocks.",
            Aim(1.2),
            [one / other for one, other in zip(seconds["bridge"], seconds["bare"], strict=True)],
            {
                "bridge, ms per room": sum(seconds["bridge"]) / _AGENTS / _BLOCKS * 1000,
                "bare write, ms per room": sum(seconds["bare"]) / _AGENTS / _BLOCKS * 1000,
                "CPU of the bridge, ms per room": used["the bridge"] / _AGENTS / _BLOCKS * 1000,
            },
        )
    ]


async def _change(bridge: Bridge, person: Person, chat: str, user: str) -> float:
    """Give *user* a role, and return the seconds until all rooms follow."""
    before = len(bridge.program.heard.get(_DONE, []))
    started = time.monotonic()
    await person.say(chat, f"role {user} moderator")
    await bridge.program.wait_until(lambda: len(bridge.program.heard.get(_DONE, [])) > before, within=_PATIENCE)
    taken = time.monotonic() - started
    changed = bridge.program.heard[_DONE][-1]
    if changed["rooms"] < _AGENTS:
        raise RuntimeError(f"only {changed['rooms']} rooms were compared")
    return taken


def _with(levels: dict[str, Any], user: str) -> dict[str, Any]:
    """Return *levels* with those of a moderator for *user*."""
    return {**levels, "users": {**levels["users"], user: MODERATOR_POWER}}
