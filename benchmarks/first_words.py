"""Time until the first words of an answer are visible, and the homeserver's share of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.render.rendition import Pace, Rendition
from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.household import household, question, told
from benchmarks.prose import prose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ground import Ground
    from benchmarks.household import Household
    from benchmarks.upstream import Telling

_BLOCKS, _ANSWERS, _WARM_UP = 5, 12, 3
_SLOW_ANSWERS = 3
#: Nine short words, one every quarter of a second.
_SLOW = [(number / 4, f"w{number} ") for number in range(9)]
#: Seconds that an answer continues after its first words, so that a person sees them before the complete answer.
_ANSWER = 1.0
#: Seconds between an answer and the next question, in which the bridge closes the turn.
_PAUSE = 0.05
_PATIENCE = 30.0


async def first_words(ground: Ground) -> list[Figure]:
    """Measure ``first_words_p95_ms`` and ``first_token_p95_ms``."""
    shown: list[list[float]] = []
    slow: list[list[float]] = []
    sent: list[float] = []
    async with household(ground, "first-words", 1) as home, homeserver_session() as http:
        config = home.bridge.config
        token = config.appservice.as_token.get_secret_value()
        homeserver = Homeserver(config.homeserver.address, token, config.namespace, http)
        for _ in range(_WARM_UP):
            await _answer(home, prose(_ANSWER))
            await _plain(home, homeserver)
        for _ in range(_BLOCKS):
            shown.append([])
            slow.append([])
            for _ in range(_ANSWERS):
                telling = prose(_ANSWER)
                shown[-1].append(await _answer(home, telling) - _enough(telling) * 1000)
                sent.append(await _plain(home, homeserver))
            for _ in range(_SLOW_ANSWERS):
                slow[-1].append(await _answer(home, _SLOW))
    return [_figure(shown, sent), _token_figure(slow)]


async def _answer(home: Household, telling: Telling) -> float:
    """Return the milliseconds from the first token of the upstream until the person sees the first words."""
    answer = await told(home, 0, telling)
    await asyncio.sleep(_PAUSE)
    return (answer.seen - answer.began) * 1000


def _enough(telling: Telling) -> float:
    """Return the seconds after which *telling* has a sentence, or enough characters, for the first words."""
    pace = Pace()
    rendition = Rendition(pace, max_parts=1)
    for at, piece in telling:
        rendition.feed(piece, at)
        if rendition.due is not None and rendition.due < telling[0][0] + pace.latest:
            return rendition.due - pace.first
    raise ValueError("the answer is too short")


async def _plain(home: Household, homeserver: Homeserver) -> float:
    """Return the milliseconds from a request that sends a message as the ghost until the person sees the message."""
    text, room_id, ghost = question(), home.rooms[0], home.ghost(0)
    started = time.monotonic()
    await homeserver.send(room_id, {"msgtype": "m.notice", "body": text}, txn_id=str(uuid4()), as_user=ghost)
    await home.person.wait_for(lambda: home.person.room(room_id).said_by(ghost)[-1].body == text, within=_PATIENCE)
    return (time.monotonic() - started) * 1000


def _figure(shown: Sequence[Sequence[float]], sent: Sequence[float]) -> Figure:
    every = [each for block in shown for each in block]
    held = Pace().first * 1000
    return Figure(
        "first_words_p95_ms",
        percentile(every, 95),
        "Time from the moment at which the upstream has sent a sentence, or 40 characters, until a person sees the "
        f"first words in /sync; {len(every)} answers of {_ANSWER:g} s in one room, one after the other. The bridge "
        f"delays the first words by {held:.0f} ms, so that a quick answer needs no edit. *A plain message* is the "
        "share of the homeserver: the time from a PUT /send with the token of the service until the person sees the "
        "message, measured after every answer.",
        Aim(161),
        [percentile(block, 95) for block in shown],
        {
            "p50 ms": median(every),
            "slowest ms": max(every),
            "delay of the bridge, ms": held,
            "a plain message p50 ms": median(sent),
            "a plain message p95 ms": percentile(sent, 95),
            "first words over a plain message, p50": median(every) / median(sent),
            "first words over a plain message, p95": percentile(every, 95) / percentile(sent, 95),
        },
    )


def _token_figure(slow: Sequence[Sequence[float]]) -> Figure:
    every = [each for block in slow for each in block]
    return Figure(
        "first_token_p95_ms",
        percentile(every, 95),
        "Time from the first token of the upstream until a person sees the first words in /sync, of an answer so slow "
        f"that it has neither a sentence nor 40 characters within {Pace().latest:g} s; {len(every)} answers.",
        Aim(1200),
        [percentile(block, 95) for block in slow],
        {"p50 ms": median(every), "slowest ms": max(every)},
    )
