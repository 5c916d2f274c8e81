"""People who talk in a room all the time, and never wait for an answer: the seed draws all that they do."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import random
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from PIL import Image

from crash.asked import EDITED, LAST, Change, question

if TYPE_CHECKING:
    from crash.asked import Question
    from crash.group import Group
    from crash.spots import Said, Spot
    from support.person import Person

#: Threads of a room at most.
_THREADS = 2
#: A change is about one of the last questions, or about a new one, which the agent is perhaps answering then.
_RECENT, _ABOUT_A_NEW_ONE = 3, 0.5
_SECONDS_LATER = (0.0, 2.0)


class Act(StrEnum):
    """What people do in a room."""

    ASK = "ask"
    BOTH = "both ask at once"
    THREAD = "ask in a thread"
    PICTURE = "send a picture"
    EDIT = "edit"
    AGAIN = "again"
    STOP = "stop"
    REDACT = "redact"


_SHARES = {
    Act.ASK: 50,
    Act.BOTH: 8,
    Act.THREAD: 12,
    Act.PICTURE: 5,
    Act.EDIT: 7,
    Act.AGAIN: 5,
    Act.STOP: 6,
    Act.REDACT: 7,
}
_CHANGES = {Act.EDIT: Change.EDIT, Act.AGAIN: Change.AGAIN, Act.STOP: Change.STOP, Act.REDACT: Change.REDACT}


class Talk:
    """The people of room *number*, with *pace* seconds between two acts on average; *picture* is the URL of one."""

    def __init__(self, seed: int, number: int, spot: Spot | Group, pace: float, picture: str) -> None:
        self._seed = seed
        self._number = number
        self._spot = spot
        self._pace = pace
        self._picture = picture
        self._random = random.Random(f"{seed} talk {number}")  # noqa: S311
        self._count = itertools.count(1)
        self._roots: list[Said] = []
        #: Questions that were asked at the same time: nobody knows which one is the last.
        self._at_once: list[Said] = []
        self._sent_picture = False

    async def run(self, enough: asyncio.Event) -> None:
        """Talk until it is *enough*."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), self._random.expovariate(1 / self._pace))
                return
            act = self._random.choices([*_SHARES], [*_SHARES.values()])[0]
            # What becomes of a changed message that was answered with others depends on the moment.
            await self._act(Act.ASK if self._spot.interrupts and act in _CHANGES else act)

    async def end(self) -> None:
        """Ask the last question of the room."""
        last = question(self._seed, f"{self._number}.{next(self._count)}{LAST}")
        await self._spot.ask(replace(last, last=True))

    async def _act(self, act: Act) -> None:
        match act:
            case Act.BOTH:
                people = self._spot.people
                self._at_once += await asyncio.gather(*(self._spot.ask(self._next(), person) for person in people))
            case Act.THREAD if self._spot.said:
                await self._ask_in_thread()
            case Act.PICTURE if not self._sent_picture:
                await self._send_picture()
            case Act.EDIT | Act.AGAIN | Act.STOP | Act.REDACT:
                await self._change(_CHANGES[act])
            case _:
                await self._spot.ask(self._next(), self._person())

    async def _ask_in_thread(self) -> None:
        if len(self._roots) < _THREADS and (
            rooted := [each for each in self._spot.said if _is_plain(each) and not each.question.thread]
        ):
            self._roots.append(self._random.choice(rooted))
        if self._roots:
            await self._spot.ask_in_thread(self._next(), self._random.choice(self._roots), self._person())

    async def _send_picture(self) -> None:
        # Pictures that are sent together are one question.
        self._sent_picture = True
        info = {"mimetype": "image/jpeg"}
        content = {"msgtype": "m.image", "filename": "picture.jpg", "info": info, "url": self._picture}
        await self._spot.ask(replace(self._next(), picture=True), self._person(), content)

    async def _change(self, change: Change) -> None:
        """Do *change* with a recent question; an edit and a 🔁 are about the last one of their lane."""
        if self._random.random() < _ABOUT_A_NEW_ONE or (said := self._recent(change)) is None:
            said = await self._spot.ask(self._next(), self._person())
            await asyncio.sleep(self._random.uniform(*_SECONDS_LATER))
            if change is Change.AGAIN and said.question.cut:
                return
        edited = question(self._seed, f"{said.question.key}{EDITED}")
        await self._spot.change(said, change, edited if change is Change.EDIT else None)

    def _recent(self, change: Change) -> Said | None:
        lanes: dict[str, list[Said]] = {}
        for each in self._spot.said:
            lanes.setdefault(each.question.thread, []).append(each)
        if not lanes:
            return None
        lane = lanes[self._random.choice(sorted(lanes))]
        recent = lane[-1:] if change in {Change.EDIT, Change.AGAIN} else lane[-_RECENT:]
        fitting = [each for each in recent if _is_plain(each) and each not in self._roots]
        if change is Change.AGAIN:
            fitting = [each for each in fitting if not each.question.cut]
        if change in {Change.EDIT, Change.AGAIN}:
            fitting = [each for each in fitting if each not in self._at_once]
        return self._random.choice(fitting) if fitting else None

    def _next(self) -> Question:
        return question(self._seed, f"{self._number}.{next(self._count)}")

    def _person(self) -> Person:
        return self._random.choice(self._spot.people)


def _is_plain(said: Said) -> bool:
    return said.question.change is Change.NONE and not said.question.picture


def picture() -> bytes:
    """Return a small red JPEG."""
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, "JPEG")
    return data.getvalue()
