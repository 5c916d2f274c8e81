"""An import of a thousand earlier messages, and the bare sends of the same events."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import psycopg

from agent_bridge.core.ids import IMPORTED
from agent_bridge.demo.account import V3, call
from benchmarks.cpu import used_by
from benchmarks.figure import Aim, Figure
from support.scripted_app_server import ScriptedAppServer

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from agent_bridge.demo.client import Person
    from benchmarks.ground import Ground

_MESSAGES, _IMPORTS = 1_000, 3
_PATIENCE = 300.0
_BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
_ANSWER = """Answer {number}: three things matter.

1. The **first** one, with `code` and a [link](https://example.org).
2. The second one.

Tell me whether you want to know more about one of them, and I go into the details of it."""


def _remember(server: ScriptedAppServer, batch: int) -> None:
    for number in range(_MESSAGES // 2):
        at = (_BEGAN + timedelta(days=batch, minutes=number)).isoformat()
        server.remember("default", f"Question {number}: what matters?", _ANSWER.format(number=number), date=at)


async def _imported(person: Person, room_id: str) -> list[dict[str, Any]]:
    """Return the newest imported events of a room, oldest first."""
    found: list[dict[str, Any]] = []
    query = {"dir": "b", "limit": "500"}
    while len(found) < _MESSAGES:
        page = await person.ask("GET", f"/rooms/{quote(room_id)}/messages", query=query)
        found += [each for each in page["chunk"] if IMPORTED in each["content"]]
        query["from"] = page["end"]
    return found[:_MESSAGES][::-1]


async def _bare(config: Config, person: Person, ghost: str, events: list[dict[str, Any]]) -> float:
    """Send *events* into another room with *person*, one after the other, as the bridge has to; return the seconds."""
    token, imported = config.appservice.as_token.get_secret_value(), config.namespace.imported
    async with aiohttp.ClientSession(config.homeserver.address, headers={"Authorization": f"Bearer {token}"}) as http:

        async def ask(method: str, path: str, content: dict[str, Any], user: str, **query: str) -> Any:
            return await call(http, method, V3 + path, content, query={"user_id": user, **query})

        made = str((await ask("POST", "/createRoom", {"invite": [imported, person.user_id]}, ghost))["room_id"])
        room_id = quote(made)
        await ask("POST", f"/rooms/{room_id}/join", {}, imported)
        await person.join(made)
        await person.wait_for(lambda: made in person.rooms, _PATIENCE)
        started = time.monotonic()
        for number, event in enumerate(events):
            path = f"/rooms/{room_id}/send/m.room.message/bare{number}"
            await ask("PUT", path, event["content"], event["sender"], ts=str(event["origin_server_ts"]))
        return time.monotonic() - started


def _duration(uri: str) -> float:
    """Return the seconds of the last operation, from its request on."""
    with psycopg.connect(uri) as connection:
        query = "SELECT extract(epoch FROM finished_at - created_at)::float FROM operation ORDER BY id DESC LIMIT 1"
        row = connection.execute(query).fetchone()
    return 0.0 if row is None else float(row[0])


async def import_history(ground: Ground) -> list[Figure]:
    """Measure ``import_ratio``."""
    account = await ground.register()
    sections = {"permissions": {account[0]: "admin"}, "rooms": {"invite": [account[0]], "join_rule": "invite"}}
    seconds: dict[str, list[float]] = {"bridge": [], "bare": []}
    async with ScriptedAppServer("Dora") as server:
        there = [{"name": "bench", "kind": "letta", "url": server.url}]
        async with (
            ground.bridge("import", "", upstreams=there, **sections) as bridge,
            ground.person(account) as person,
        ):
            await bridge.ready(1)
            room_id = bridge.rooms[server.names[0]]
            await person.join(room_id)
            await person.wait_for(lambda: room_id in person.rooms, _PATIENCE)
            names = bridge.config.namespace
            ghost = names.user_id(names.localpart(server.names[0]))
            with used_by({"the bridge": bridge.program.pid, **ground.processes}) as used:
                for number in range(_IMPORTS):
                    _remember(server, number)
                    await person.say(room_id, f"!ab import {_MESSAGES}")
                    await person.wait_for(partial(_has_results, person, room_id, number + 1), _PATIENCE)
                    seconds["bridge"].append(_duration(bridge.config.database.url))
                    seconds["bare"].append(await _bare(bridge.config, person, ghost, await _imported(person, room_id)))
    return [
        Figure(
            "import_ratio",
            sum(seconds["bridge"]) / sum(seconds["bare"]),
            f"Time of `import {_MESSAGES}` into a room with a person, from the command's row to its end, over the time "
            "of the bare sends of the same events with the same times into another room with the person, one after "
            f"the other, without a bridge. {_IMPORTS} imports, in alternation.",
            Aim(1.2),
            [one / other for one, other in zip(seconds["bridge"], seconds["bare"], strict=True)],
            {
                "import, s": sum(seconds["bridge"]) / _IMPORTS,
                "bare sends, s": sum(seconds["bare"]) / _IMPORTS,
                "CPU of the bridge, ms per message": used["the bridge"] / _MESSAGES / _IMPORTS * 1000,
            },
        )
    ]


def _has_results(person: Person, room_id: str, count: int) -> bool:
    done = f"Imported {_MESSAGES} messages."
    return sum(each.body == done for each in person.room(room_id).messages.values()) == count
