"""The number of events of a streamed answer, and of a baseline with one edit per second."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.answers import Op
from agent_bridge.core.ids import MARK
from agent_bridge.render.content import edit, message
from agent_bridge.render.rendition import Pace, Rendition, ops_for
from benchmarks.figure import Aim, Figure, median
from benchmarks.household import household, told
from benchmarks.prose import EVERY, prose

if TYPE_CHECKING:
    from agent_bridge.demo.timeline import Event
    from benchmarks.ground import Ground
    from benchmarks.household import Household
    from benchmarks.upstream import Telling

#: Durations of the answers in seconds, and the aim for their number of events.
_ANSWERS = {5: None, 30: None, 60: Aim(20), 120: None}
#: Number of rooms for each duration.
_ROOMS = 2
#: More than all rooms need, so that the answers do not share a limit.
_EDITS_PER_SECOND = 100
_NAIVE = Pace(first=0.0, floor=1.0, ceiling=1.0, max_events=10**9)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of showing one answer."""

    events: int
    #: Bytes of the events in the form for clients.
    size: int


async def streaming(ground: Ground) -> list[Figure]:
    """Measure ``events_per_60s_answer``, and the same figure for other durations."""
    durations = [seconds for seconds in _ANSWERS for _ in range(_ROOMS)]
    answers = {"edits_per_second": _EDITS_PER_SECOND}
    async with household(ground, "streaming", len(durations), answers=answers) as home:
        measured = await asyncio.gather(*(_shown(home, number, seconds) for number, seconds in enumerate(durations)))
    costs = list(zip(durations, measured, strict=True))
    return [
        _figure(seconds, aim, [cost for each, cost in costs if each == seconds]) for seconds, aim in _ANSWERS.items()
    ]


async def _shown(home: Household, number: int, seconds: int) -> tuple[Cost, Cost]:
    """Show an answer of *seconds* in room *number*; return its cost, and the cost of the baseline."""
    telling = prose(seconds)
    await told(home, number, telling)
    history = await home.person.history(home.rooms[number])
    events = [each for each in history if each["type"] == "m.room.message" and each["sender"] == home.ghost(number)]
    return Cost(len(events), sum(_size(event) for event in events)), _naive(telling, events[-1])


def _naive(telling: Telling, like: Event) -> Cost:
    """Return the cost of *telling* with one edit per second; *like* is an event of the answer, as a template."""
    rendition, ops = Rendition(_NAIVE, max_parts=10**9), list[Op]()
    for at, piece in telling:
        rendition.feed(piece, at)
        ops += rendition.take(at)
    shown: dict[int, Op] = {}
    sizes: list[int] = []
    for op in (*ops, *ops_for(rendition.text)):
        if shown.get(op.part) != op:
            content = message(op.text, mark=like["content"][MARK], live=op.live)
            content = edit(content, like["event_id"]) if op.part in shown else content
            sizes.append(_size(like | {"content": content}))
            shown[op.part] = op
    return Cost(len(sizes), sum(sizes))


def _size(event: Event) -> int:
    # "unsigned" contains later edits of the event.
    bare = {key: value for key, value in event.items() if key != "unsigned"}
    return len(json.dumps(bare, ensure_ascii=False, separators=(",", ":")).encode())


def _figure(seconds: int, aim: Aim | None, costs: list[tuple[Cost, Cost]]) -> Figure:
    ours, naive = ([pair[which] for pair in costs] for which in (0, 1))
    events, naive_events = (median([cost.events for cost in each]) for each in (ours, naive))
    size, naive_size = (median([cost.size for cost in each]) / 1000 for each in (ours, naive))
    answer = sum(len(piece.encode()) for _, piece in prose(seconds)) / 1000
    return Figure(
        f"events_per_{seconds}s_answer",
        events,
        "Number of `m.room.message` events (first words, edits and parts) in the person's /messages for an answer "
        f"that takes {seconds} s and has a piece every {EVERY * 1000:.0f} ms; {len(costs)} rooms, at the same time as "
        "the answers of other durations, without a common limit of edits. *One edit per second* is the same answer "
        "in the same parts: the first words at once, then each changed part once per second, and the complete "
        "answer.",
        aim,
        [cost.events for cost in ours],
        {
            "answer, kB of Markdown": answer,
            "bytes of the events, kB": size,
            "one edit per second: events": naive_events,
            "one edit per second: bytes of the events, kB": naive_size,
            "events over those of one edit per second": events / naive_events,
            "bytes over those of one edit per second": size / naive_size,
        },
    )
