"""How soon the first words of an answer are seen, beside the homeserver's own way from a ghost to a person."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.render.rendition import Pace
from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.household import household, question, told
from benchmarks.prose import prose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ground import Ground
    from benchmarks.household import Household

_BLOCKS, _ANSWERS, _WARM_UP = 5, 12, 3
#: Seconds that an answer goes on after its first words: long enough that the whole answer is not what is seen first.
_ANSWER = 1.0
#: Seconds between an answer and the next question: what is left to do after an answer is done.
_PAUSE = 0.05
_PATIENCE = 30.0


async def first_words(ground: Ground) -> list[Figure]:
    """Measure ``first_words_p95_ms``."""
    shown: list[list[float]] = []
    sent: list[float] = []
    async with household(ground, "first-words", 1) as home, homeserver_session() as http:
        config = home.bridge.config
        token = config.appservice.as_token.get_secret_value()
        homeserver = Homeserver(config.homeserver.address, token, config.namespace, http)
        for _ in range(_WARM_UP):
            await _answer(home)
            await _plain(home, homeserver)
        for _ in range(_BLOCKS):
            shown.append([])
            for _ in range(_ANSWERS):
                shown[-1].append(await _answer(home))
                sent.append(await _plain(home, homeserver))
    return [_figure(shown, sent)]


async def _answer(home: Household) -> float:
    """Return the milliseconds from the upstream's first words until the person sees them."""
    answer = await told(home, 0, prose(_ANSWER))
    await asyncio.sleep(_PAUSE)
    return (answer.seen - answer.began) * 1000


async def _plain(home: Household, homeserver: Homeserver) -> float:
    """Return the milliseconds from asking the homeserver to say something as the ghost until the person sees it."""
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
        f"From the moment at which the upstream says the first words of an answer that goes on for {_ANSWER:g} s, "
        f"until a person sees them in their /sync; {len(every)} answers in one room, one after the other. The bridge "
        f"holds first words back for {held:.0f} ms, so that a quick answer needs no edit. *A plain message* is what "
        "the homeserver alone takes: the ghost's PUT /send with the token of the service, until the person sees it, "
        "after every answer.",
        Aim(300),
        [percentile(block, 95) for block in shown],
        {
            "p50 ms": median(every),
            "slowest ms": max(every),
            "held back by the bridge, ms": held,
            "a plain message p50 ms": median(sent),
            "a plain message p95 ms": percentile(sent, 95),
            "first words over a plain message, p50": median(every) / median(sent),
            "first words over a plain message, p95": percentile(every, 95) / percentile(sent, 95),
        },
    )
