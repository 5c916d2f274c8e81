"""Time until a message is answered after a kill of the bridge: by a restarted process, and by another process."""

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
#: Pace of an answer that is not complete when the bridge is killed: before the first words, or after one half.
_SILENT, _HALF = (60.0,), (0.0, 60.0)
#: Seconds between the start of a process and the next question, in which the process finishes its start.
_SETTLE = 2.0
_PATIENCE = 60.0
_OPEN = "listening"
_LEADING = "this process leads"
_TAKEN_UP = "turn claimed"


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the kill until each event of the process that answers; *opened* is None if it never listened."""

    opened: float | None
    led: float
    taken_up: float
    answered: float


async def _interrupt(home: Household, bridge: Bridge, number: int) -> tuple[str, str]:
    """Ask a question whose answer does not end, in room *number*; return the room and the question at the time to kill.

    This time is, in turns, when *bridge* has received the message or when half of the answer is visible.
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
    """Wait until *bridge* has sent the whole answer to the question *asked*."""
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
            f"A bridge with {_ROOMS} rooms is killed (SIGKILL) while it answers a message, in turns right after it "
            "received the message and when half of the answer is visible. Time from the start of a new process until "
            "the person's /sync shows the whole answer; the upstream answers the repeated request at once. "
            f"{len(whole)} kills, p95 by nearest rank.",
            Aim(1.5),
            whole,
            {
                "p50 s": median(whole),
                "killed after receiving the message, p50 s": median(whole[::2]),
                "killed when half was visible, p50 s": median(whole[1::2]),
                "process start until the endpoint listens, p50 s": median([each.opened or 0 for each in recoveries]),
                "process start until the turn starts, p50 s": median(taken_up),
                "process start until the turn starts, p95 s": nearest_rank(taken_up, 95),
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
                # Asked before the other process starts, so that the leader answers.
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
            f"Two processes on one database, {_ROOMS} rooms. The leader is killed (SIGKILL) while it answers a "
            "message, in turns right after it received the message and when half of the answer is visible. Time from "
            "the kill until the person's /sync shows the whole answer of the other process; the upstream answers the "
            f"repeated request at once. The longest of {len(whole)} kills.",
            Aim(15),
            whole,
            {
                "p50 s": median(whole),
                "kill until the other process leads, p50 s": median(led),
                "kill until the other process leads, longest s": max(led),
                "kill until the other process starts the turn, p50 s": median([each.taken_up for each in recoveries]),
            },
        )
    ]
