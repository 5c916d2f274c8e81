"""Time until the last of five agents has answered, which one message in a room mentions."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.render.content import LIVE
from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.household import household, question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ground import Ground
    from benchmarks.household import Household

_AGENTS = 5
#: Seconds that the upstream takes for an answer.
_ANSWER = 1.0
_QUESTIONS, _WARM_UP = 30, 3
#: Seconds between two measurements, in which the bridge closes the turns.
_PAUSE = 0.2
_PATIENCE = 60.0


async def groups(ground: Ground) -> list[Figure]:
    """Measure ``group_of_five_ratio``."""
    whole: list[float] = []
    first: list[float] = []
    one: list[float] = []
    five: list[float] = []
    async with household(ground, "groups", _AGENTS, lobby=True) as home, homeserver_session() as http:
        home.upstream.pace = (_ANSWER,)
        config = home.bridge.config
        token = config.appservice.as_token.get_secret_value()
        homeserver = Homeserver(config.homeserver.address, token, config.namespace, http)
        room_id = await _enter(home)
        for _ in range(_WARM_UP):
            await _asked(home, room_id)
        for _ in range(_QUESTIONS):
            times = await _asked(home, room_id)
            first.append(times[0])
            whole.append(times[-1])
            await asyncio.sleep(_PAUSE)
            one.append(await _sent(home, homeserver, room_id, 1))
            five.append(await _sent(home, homeserver, room_id, _AGENTS))
            await asyncio.sleep(_PAUSE)
        busiest = home.upstream.busiest
    return [figure(whole, first, one, five, busiest)]


def figure(
    whole: Sequence[float], first: Sequence[float], one: Sequence[float], five: Sequence[float], busiest: int
) -> Figure:
    """Return the figure: seconds until the last answer and the first, and those of one and of five bare events."""
    return Figure(
        "group_of_five_ratio",
        median(whole) / _ANSWER,
        f"Time from PUT /send of a message that mentions {_AGENTS} agents of the lobby until the person's /sync "
        f"shows the last answer, over the ideal: the {_ANSWER:g} s that the upstream takes for each of the "
        "answers, without the homeserver and without the bridge. "
        f"Median of {_QUESTIONS} messages. *A bare event* is the time from a PUT /send with the token of the "
        f"service until the person sees the message; *{_AGENTS} bare events* are sent at once by the agents. Both "
        "were measured after every message.",
        Aim(1.3),
        [each / _ANSWER for each in whole],
        {
            "p50 ms": median(whole) * 1000,
            "p95 ms": percentile(whole, 95) * 1000,
            "until the first answer is visible p50 ms": median(first) * 1000,
            "a bare event p50 ms": median(one) * 1000,
            f"{_AGENTS} bare events p50 ms": median(five) * 1000,
            "over the upstream and a bare event, p50": median(whole) / (_ANSWER + median(one)),
            f"over the upstream and {_AGENTS} bare events, p50": median(whole) / (_ANSWER + median(five)),
            "maximum of simultaneous answers": busiest,
        },
    )


async def _enter(home: Household) -> str:
    """Enter the lobby and return its room id, when all agents are in it."""
    namespace = home.bridge.config.namespace
    room_id = await home.person.join(f"#{namespace.lobby_alias_localpart}:{namespace.domain}")
    ghosts = {home.ghost(number) for number in range(_AGENTS)}
    await home.person.wait_for(lambda: home.person.room(room_id).members() >= ghosts, within=_PATIENCE)
    return room_id


async def _asked(home: Household, room_id: str) -> list[float]:
    """Ask all agents at once; return the seconds until each answer was visible as a whole, in their order."""
    text, ghosts = question(), [home.ghost(number) for number in range(_AGENTS)]
    waiting, seen = set(ghosts), list[float]()
    started = time.monotonic()

    def look() -> bool:
        room, now = home.person.room(room_id), time.monotonic() - started
        for ghost in list(waiting):
            said = room.said_by(ghost)[-1:]
            if said and said[0].body.endswith(text) and LIVE not in said[0].content:
                waiting.remove(ghost)
                seen.append(now)
        return not waiting

    content = {"msgtype": "m.text", "body": text, "m.mentions": {"user_ids": ghosts}}
    await home.person.send(room_id, "m.room.message", content)
    await home.person.wait_for(look, within=_PATIENCE)
    return seen


async def _sent(home: Household, homeserver: Homeserver, room_id: str, count: int) -> float:
    """Have *count* ghosts send a message at once; return the seconds until the person sees the last one."""
    text, ghosts = question(), [home.ghost(number) for number in range(count)]
    content = {"msgtype": "m.notice", "body": text}
    started = time.monotonic()

    def shown(senders: Sequence[str] = ghosts) -> bool:
        room = home.person.room(room_id)
        return all(room.said_by(ghost) and room.said_by(ghost)[-1].body == text for ghost in senders)

    sending = [homeserver.send(room_id, content, txn_id=str(uuid4()), as_user=ghost) for ghost in ghosts]
    await asyncio.gather(home.person.wait_for(shown, within=_PATIENCE), *sending)
    return time.monotonic() - started
