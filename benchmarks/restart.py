"""How soon a message is answered whose bridge was killed: by the bridge that is started again, and by another one."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.demo.synapse import free_port
from benchmarks.figure import Aim, Figure, median, nearest_rank
from benchmarks.household import answered, household, question

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from benchmarks.ground import Bridge, Ground
    from benchmarks.household import Household

_ROOMS = 20
_RESTARTS, _TAKEOVERS = 15, 6
#: Pace of an upstream that goes on answering until the bridge is killed: nothing yet, or the first half shown.
_SILENT, _HALF = (60.0,), (0.0, 60.0)
#: Seconds between a process's start and the next question: what a start has to do beside answering is done.
_SETTLE = 2.0
_PATIENCE = 60.0
_OPEN = "door open"
_LEADING = "leading: discovers agents and compares rooms"
_TAKEN_UP = "message taken up"


@dataclass(frozen=True, slots=True)
class Recovery:
    """A process after a kill: seconds until each."""

    opened: float | None
    led: float
    taken_up: float
    answered: float


async def _interrupt(home: Household, bridge: Bridge, number: int) -> tuple[str, str]:
    """Ask in room *number* for an answer that does not end; return the room and the question when it is time to kill.

    Every other time that is when *bridge* has taken the message, else when half of the answer is shown.
    """
    text, room_id, shown = question(), home.rooms[number % len(home.rooms)], number % 2 == 1
    home.upstream.pace = _HALF if shown else _SILENT
    event_id = await home.person.say(room_id, text)
    if shown:
        await home.person.wait_for(lambda: answered(home.person, room_id, text, whole=False), within=_PATIENCE)
    else:
        heard = bridge.program.heard
        await bridge.program.wait_until(
            lambda: any(each["event_id"] == event_id for each in heard.get("message received", []))
        )
    return room_id, text


async def _recover(home: Household, bridge: Bridge, since: float, asked: tuple[str, str]) -> Recovery:
    """Wait until *bridge* has given the whole answer that was *asked* for."""
    await home.person.wait_for(lambda: answered(home.person, *asked), within=_PATIENCE)
    whole = time.monotonic() - since
    first = bridge.program.first_heard
    await bridge.program.wait_until(lambda: {_LEADING, _TAKEN_UP} <= first.keys())
    opened = first.get(_OPEN)
    return Recovery(opened and opened - since, first[_LEADING] - since, first[_TAKEN_UP] - since, whole)


async def restart(ground: Ground) -> list[Figure]:
    """Measure ``restart_to_answer_p95_s``."""
    recoveries: list[Recovery] = []
    async with household(ground, "restart", _ROOMS) as home, AsyncExitStack() as stack:
        bridge = home.bridge
        for number in range(_RESTARTS):
            await asyncio.sleep(_SETTLE)
            asked = await _interrupt(home, bridge, number)
            await bridge.program.kill()
            home.upstream.pace = ()
            started = time.monotonic()
            bridge = await stack.enter_async_context(ground.process(bridge.config))
            recoveries.append(await _recover(home, bridge, started, asked))
    whole = [each.answered for each in recoveries]
    taken_up = [each.taken_up for each in recoveries]
    return [
        Figure(
            "restart_to_answer_p95_s",
            nearest_rank(whole, 95),
            f"A bridge with {_ROOMS} rooms is killed (SIGKILL) while it answers a message: every other time right "
            "after the message was taken, else when half of the answer is shown. From the start of a new process until "
            f"the answer is whole in the person's /sync, the upstream answering at once; {len(whole)} kills, p95 by "
            "nearest rank.",
            Aim(5),
            whole,
            {
                "p50 s": median(whole),
                "killed when just taken, p50 s": median(whole[::2]),
                "killed when half shown, p50 s": median(whole[1::2]),
                "process start until the door is open, p50 s": median([each.opened or 0 for each in recoveries]),
                "process start until the message is taken up, p50 s": median(taken_up),
                "process start until the message is taken up, p95 s": nearest_rank(taken_up, 95),
            },
        )
    ]


def _beside(config: Config) -> Config:
    """Return the configuration of another process on the database of *config*."""
    return config.model_copy(update={"appservice": config.appservice.model_copy(update={"port": free_port()})})


async def takeover(ground: Ground) -> list[Figure]:
    """Measure ``takeover_s``."""
    recoveries: list[Recovery] = []
    async with household(ground, "takeover", _ROOMS) as home:
        await home.bridge.program.stop()
        config = home.bridge.config
        for number in range(_TAKEOVERS):
            async with ground.process(config) as one:
                await one.program.logs(_OPEN)
                await asyncio.sleep(_SETTLE)
                # Asked before the other is there, so that it is the one that leads that answers.
                asked = await _interrupt(home, one, number)
                async with ground.process(_beside(config)) as other:
                    await other.program.logs(_OPEN)
                    await asyncio.sleep(_SETTLE)
                    home.upstream.pace = ()
                    killed = time.monotonic()
                    await one.program.kill()
                    recoveries.append(await _recover(home, other, killed, asked))
    whole = [each.answered for each in recoveries]
    led = [each.led for each in recoveries]
    return [
        Figure(
            "takeover_s",
            max(whole),
            f"Two processes on one database, {_ROOMS} rooms; the one that leads is killed (SIGKILL) while it answers a "
            "message, every other time when half of the answer is shown. From the kill until the other has made the "
            f"answer whole in the person's /sync, the upstream answering it at once; the worst of {len(whole)} kills.",
            Aim(15),
            whole,
            {
                "p50 s": median(whole),
                "kill until the other leads, p50 s": median(led),
                "kill until the other leads, worst s": max(led),
                "kill until the other takes the message up, p50 s": median([each.taken_up for each in recoveries]),
            },
        )
    ]
