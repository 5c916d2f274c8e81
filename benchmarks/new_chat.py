"""Time until a person can use a new chat, and the time of the bare creation of the same room."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bare import Bare
from benchmarks.cpu import used_by
from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.household import answered, household, question
from benchmarks.sink import sink

if TYPE_CHECKING:
    from agent_bridge.demo.client import Person
    from benchmarks.ground import Ground
    from benchmarks.household import Household

_BLOCKS, _CHATS, _WARM_UP = 8, 8, 4
_PATIENCE = 60.0
#: Seconds between two chats, in which the bridge, or the homeserver, finishes its work with the room.
_PAUSE = 0.5
_NOTHING = "org.example.nothing"


async def new_chat(ground: Ground) -> list[Figure]:
    """Measure ``new_chat_ratio`` and ``new_chat_p95_ms``."""
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    sent: list[float] = []
    bare_config = ground.config("new-chat-bare")
    async with (
        household(ground, "new-chat", 1) as home,
        sink(bare_config.appservice),
        Bare(bare_config, home.person.user_id) as bare,
    ):
        await bare.space()
        await bare.room()
        await _command(home, "agent Agent 1")
        await _made(home, _WARM_UP)
        await _created(home.person, bare, _WARM_UP)
        with used_by({"the bridge": home.bridge.program.pid}) as used:
            for number in range(_BLOCKS):
                for which in ("bridge", "bare") if number % 2 else ("bare", "bridge"):
                    if which == "bridge":
                        ours.append(await _made(home, _CHATS))
                    else:
                        theirs.append(await _created(home.person, bare, _CHATS))
                sent.append(await _sent(home))
    return _figures(ours, theirs, sent, used["the bridge"])


async def _made(home: Household, count: int) -> list[float]:
    """Return the seconds from each of *count* commands until the person was invited; use each chat afterwards."""
    taken = []
    for _ in range(count):
        known, started = set(home.person.invites), time.monotonic()
        title = question()
        reply = asyncio.create_task(_command(home, f"new {title}", told=title))
        room_id = await _invited(home.person, known, home.ghost(0))
        taken.append(time.monotonic() - started)
        await reply
        await home.person.join(room_id)
        text = question()
        await home.person.say(room_id, text)
        await home.person.wait_for(partial(answered, home.person, room_id, text), within=_PATIENCE)
        await asyncio.sleep(_PAUSE)
    return taken


async def _created(person: Person, bare: Bare, count: int) -> list[float]:
    """Return the seconds of each of *count* bare creations of a chat until the person was invited."""
    taken = []
    for _ in range(count):
        known, started = set(person.invites), time.monotonic()
        creating = asyncio.create_task(bare.chat(person.user_id))
        await _invited(person, known)
        taken.append(time.monotonic() - started)
        await person.join(await creating)
        await asyncio.sleep(_PAUSE)
    return taken


async def _invited(person: Person, known: set[str], ghost: str | None = None) -> str:
    """Return the room with a new invitation that the person's /sync shows; of the *ghost*, which is in the room."""

    def new() -> str | None:
        return next(
            (each for each, room in person.invites.items() if each not in known and ghost in {None, *room.members()}),
            None,
        )

    return str(await person.wait_for(new, within=_PATIENCE))


async def _command(home: Household, command: str, *, told: str = "") -> None:
    """Give *command* in the room of the agent, and wait for the reply of the bot, which has the words *told*."""
    room, bot = home.person.room(home.rooms[0]), home.bridge.config.namespace.bot
    before = len(room.said_by(bot))
    await home.person.say(home.rooms[0], f"!ab {command}")
    await home.person.wait_for(lambda: any(told in each.body for each in room.said_by(bot)[before:]), within=_PATIENCE)


async def _sent(home: Household) -> float:
    """Return the seconds until the homeserver accepted an event of the person."""
    started = time.monotonic()
    await home.person.send(home.rooms[0], _NOTHING, {"body": "nothing"})
    return time.monotonic() - started


def _figures(ours: list[list[float]], theirs: list[list[float]], sent: list[float], used: float) -> list[Figure]:
    made = [each * 1000 for block in ours for each in block]
    bare = [each * 1000 for block in theirs for each in block]
    ratios = [median(one) / median(other) for one, other in zip(ours, theirs, strict=True)]
    return [
        Figure(
            "new_chat_ratio",
            median(made) / median(bare),
            "Time from PUT /send of `!ab new` until the person's /sync shows the invitation into the new room, with "
            "the ghost in it; median over the median of the bare creation. The room is usable then: after each "
            "measurement the person enters it, and the agent answers. The bare creation is one request of another "
            "service, with the same body and without a command, until the person's /sync shows the invitation. "
            f"{len(made)} chats each, in alternating blocks of {_CHATS}.",
            Aim(1.3),
            ratios,
            {
                "bridge p50 ms": median(made),
                "bridge p95 ms": percentile(made, 95),
                "bare p50 ms": median(bare),
                "bare p95 ms": percentile(bare, 95),
                "the command alone: PUT /send until the homeserver responds p50 ms": median(sent) * 1000,
                "CPU of the bridge, ms per chat with one answer": used * 1000 / len(made),
            },
        ),
        Figure(
            "new_chat_p95_ms",
            percentile(made, 95),
            "The same time of the bridge, p95.",
            Aim(1000),
            [percentile([each * 1000 for each in block], 95) for block in ours],
            {"slowest ms": max(made), "bare slowest ms": max(bare)},
        ),
    ]
