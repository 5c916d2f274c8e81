"""A bridge with the rooms of its agents and a person in them, for the figures about messages."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agent_bridge.render.content import LIVE, message
from agent_bridge.render.rendition import ops_for
from benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.client import Person
    from benchmarks.ground import Bridge, Ground
    from benchmarks.upstream import Telling

_PATIENCE = 60.0
#: Number of the newest messages of a room in which an answer is searched.
_NEWEST = 4


@dataclass(frozen=True, slots=True)
class Household:
    """A running bridge, and a person in all of its rooms."""

    bridge: Bridge
    upstream: Upstream
    person: Person
    #: Room ids, of the agents ``agent-1``, ``agent-2`` … in this order.
    rooms: list[str]

    def ghost(self, number: int) -> str:
        """Return the user id of the agent in the room at index *number*."""
        names = self.bridge.config.namespace
        return names.user_id(names.localpart(f"agent-{number + 1}"))


@dataclass(frozen=True, slots=True)
class Told:
    """Times of a long answer, by :func:`time.monotonic`."""

    #: When the upstream sent its first words.
    began: float
    #: When the first words were in the person's /sync.
    seen: float


@dataclass(frozen=True, slots=True)
class Trip:
    """Times of one message and its answer, in seconds since the message was sent."""

    #: When the homeserver responded to the person's request.
    accepted: float
    #: When the upstream got the question; None without an upstream.
    asked: float | None
    #: When the answer was in the person's /sync.
    seen: float


@asynccontextmanager
async def household(
    ground: Ground, name: str, rooms: int, *, lobby: bool = False, **sections: Any
) -> AsyncIterator[Household]:
    """Run the bridge *name* with *rooms* rooms, and a lobby; *sections* are other sections of its configuration."""
    async with AsyncExitStack() as stack:
        account = await ground.register()
        upstream = await stack.enter_async_context(Upstream())
        upstream.add(f"Agent {number}" for number in range(1, rooms + 1))
        rule = {"invite": [account[0]], "join_rule": "invite", "introduce": False, "lobby": lobby}
        bridge = await stack.enter_async_context(ground.bridge(name, upstream.api_url, rooms=rule, **sections))
        await bridge.ready(rooms)
        person = await stack.enter_async_context(ground.person(account))
        made = [bridge.rooms[f"Agent {number}"] for number in range(1, rooms + 1)]
        for room_id in made:
            await person.join(room_id)
        yield Household(bridge, upstream, person, made)


def answered(person: Person, room_id: str, text: str, *, whole: bool = True) -> bool:
    """Tell whether one of the newest messages of others is *text*, or without *whole* a beginning of it."""
    newest = islice(reversed(person.room(room_id).messages.values()), _NEWEST)
    said = [message.body for message in newest if message.sender != person.user_id]
    return text in said if whole else any(body and text.startswith(body) for body in said)


def question() -> str:
    """Return a new unique message."""
    return f"Message {uuid4()}"


async def trip(person: Person, upstream: Upstream, room_id: str) -> Trip:
    """Send a message to a room and wait for the answer."""
    text = question()
    started = time.monotonic()
    await person.say(room_id, text)
    accepted = time.monotonic()
    await person.wait_for(lambda: answered(person, room_id, text), within=_PATIENCE)
    seen = time.monotonic()
    asked = upstream.asked_at.pop(text, None)
    return Trip(accepted - started, asked and asked - started, seen - started)


async def told(home: Household, number: int, telling: Telling) -> Told:
    """Ask the agent of room *number*, which answers with *telling*, and wait until the person sees the whole answer."""
    text, room_id, ghost = question(), home.rooms[number], home.ghost(number)
    last_part = ops_for("".join(piece for _, piece in telling))[-1].text
    # The body of an event that is no edit has no Markdown.
    ends = {message(last_part, mark="", first=first)["body"] for first in (False, True)}
    before, whole_within = len(home.person.room(room_id).said_by(ghost)), telling[-1][0] + _PATIENCE

    def last() -> dict[str, Any]:
        """Return the current content of the newest message of the answer."""
        said = home.person.room(room_id).said_by(ghost)
        return said[-1].content if len(said) > before else {}

    home.upstream.tellings[text] = telling
    await home.person.say(room_id, text)
    await home.person.wait_for(last, within=_PATIENCE)
    seen = time.monotonic()
    await home.person.wait_for(lambda: last().get("body") in ends and LIVE not in last(), within=whole_within)
    del home.upstream.tellings[text]
    return Told(home.upstream.began_at.pop(text), seen)
