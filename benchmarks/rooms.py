"""Time until the last of a thousand rooms is answered."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from benchmarks.cpu import used_by
from benchmarks.figure import Aim, Figure, median
from benchmarks.household import answered, household, question

if TYPE_CHECKING:
    from benchmarks.ground import Ground
    from benchmarks.household import Household

ROOMS = 1000
#: Duration of an answer in seconds.
_ANSWER = 1.0
_PATIENCE = 1800.0
#: Seconds in which the homeserver delivers the remaining events.
_SETTLE = 5.0
#: An event type without an answer.
_NOTHING = "org.example.nothing"


async def thousand_rooms(ground: Ground, rooms: int = ROOMS) -> list[Figure]:
    """Measure ``thousand_rooms``, with *rooms* rooms."""
    async with household(ground, "rooms", rooms) as home:
        home.upstream.pace = (_ANSWER,)
        lanes = home.bridge.config.lanes.max_active_lanes
        alone = await _homeserver_alone(home, lanes)
        await asyncio.sleep(_SETTLE)
        with used_by({"the bridge": home.bridge.program.pid, **ground.processes}) as used:
            accepted, seen = await _everywhere_at_once(home)
        busiest = home.upstream.busiest
    ideal, total = rooms * _ANSWER / lanes, max(seen)
    return [
        Figure(
            "thousand_rooms",
            total / max(ideal, alone),
            f"One person sends one message to each of {rooms} rooms at once. Time from the first message until the "
            "last answer is in the person's /sync, relative to the larger of two limits. The first are the lanes: "
            f"{rooms} answers of {_ANSWER:g} s each in the {lanes} lanes of one process (the default) take {ideal:g} "
            "s. The second is the homeserver, which uses one core: *Synapse alone* is its time for two events per "
            "room, one of the person and one of the ghost, without a bridge. With the bridge it also handles receipts "
            "and typing notices, which the bridge sends only while the homeserver is not busy. The person's /sync is "
            "open in both cases.",
            Aim(1.25),
            parts={
                "from the first message until the last answer, s": total,
                "the lanes, s": ideal,
                "Synapse alone, s": alone,
                "until the last message was accepted, s": accepted,
                "until half of the rooms were answered, s": median(seen),
                "maximum of simultaneous answers": busiest,
                **{f"CPU of {name}, s": seconds for name, seconds in used.items()},
            },
        )
    ]


async def _everywhere_at_once(home: Household) -> tuple[float, list[float]]:
    """Send a message to every room; return the seconds until all were accepted, and until each was answered."""
    waiting = {room_id: question() for room_id in home.rooms}
    seen: list[float] = []
    started = time.monotonic()

    def look() -> bool:
        now = time.monotonic() - started
        for room_id in [each for each, text in waiting.items() if answered(home.person, each, text)]:
            del waiting[room_id]
            seen.append(now)
        return not waiting

    looking = asyncio.create_task(home.person.wait_for(look, within=_PATIENCE))
    await asyncio.gather(*(home.person.say(room_id, text) for room_id, text in list(waiting.items())))
    accepted = time.monotonic() - started
    await looking
    return accepted, seen


async def _homeserver_alone(home: Household, concurrency: int) -> float:
    """Return the homeserver's seconds for two events in every room, *concurrency* rooms at a time."""
    config = home.bridge.config
    left = iter(enumerate(home.rooms, start=1))

    async def work() -> None:
        for number, room_id in left:
            await home.person.send(room_id, _NOTHING, {"body": "question"})
            ghost = config.namespace.user_id(config.namespace.localpart(f"agent-{number}"))
            content = {"msgtype": "m.text", "body": "answer"}
            await homeserver.send(room_id, content, txn_id=str(uuid4()), as_user=ghost)

    async with homeserver_session() as http:
        token = config.appservice.as_token.get_secret_value()
        homeserver = Homeserver(config.homeserver.address, token, config.namespace, http)
        started = time.monotonic()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        return time.monotonic() - started
