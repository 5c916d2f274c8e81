"""A bridge with its agents' rooms and a person in them: what every figure about talking starts from."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.client import Person
    from benchmarks.ground import Bridge, Ground

_PATIENCE = 60.0
#: Messages of a room that are looked at for an answer, from the newest.
_NEWEST = 4


@dataclass(frozen=True, slots=True)
class Household:
    """A bridge that is ready, and a person who is in all of its rooms."""

    bridge: Bridge
    upstream: Upstream
    person: Person
    #: Room ids, of the agents ``agent-1``, ``agent-2`` … in this order.
    rooms: list[str]


@dataclass(frozen=True, slots=True)
class Trip:
    """One message and its answer, in seconds since the message was sent."""

    #: When the person's request was answered.
    accepted: float
    #: When the upstream was asked; None where none is.
    asked: float | None
    #: When the answer was in the person's /sync.
    seen: float


@asynccontextmanager
async def household(ground: Ground, name: str, rooms: int, **sections: Any) -> AsyncIterator[Household]:
    """Run the bridge called *name* with so many *rooms*; *sections* are of its configuration."""
    async with AsyncExitStack() as stack:
        account = await ground.register()
        upstream = await stack.enter_async_context(Upstream())
        upstream.add(f"Agent {number}" for number in range(1, rooms + 1))
        rule = {"invite": [account[0]]}
        bridge = await stack.enter_async_context(ground.bridge(name, upstream.api_url, rooms=rule, **sections))
        await bridge.ready(rooms)
        person = await stack.enter_async_context(ground.person(account))
        made = [bridge.rooms[f"Agent {number}"] for number in range(1, rooms + 1)]
        for room_id in made:
            await person.join(room_id)
        yield Household(bridge, upstream, person, made)


def answered(person: Person, room_id: str, text: str, *, whole: bool = True) -> bool:
    """Tell whether *person* sees *text* said by somebody else lately; not *whole*: only the beginning of it."""
    newest = islice(reversed(person.room(room_id).messages.values()), _NEWEST)
    said = [message.body for message in newest if message.sender != person.user_id]
    return text in said if whole else any(body and text.startswith(body) for body in said)


def question() -> str:
    """Return a message that was never said before."""
    return f"Message {uuid4()}"


async def trip(person: Person, upstream: Upstream, room_id: str) -> Trip:
    """Say something in a room and wait for the answer."""
    text = question()
    started = time.monotonic()
    await person.say(room_id, text)
    accepted = time.monotonic()
    await person.wait_for(lambda: answered(person, room_id, text), within=_PATIENCE)
    seen = time.monotonic()
    asked = upstream.asked_at.pop(text, None)
    return Trip(accepted - started, asked and asked - started, seen - started)
