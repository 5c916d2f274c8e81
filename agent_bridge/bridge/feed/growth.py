"""The texts of growing answers go to programs that read them as streams, in any process.

A program asks for the text of one turn. The process whose worker answers it then sends each piece as a notification of
PostgreSQL. Nothing is stored, and without a program nothing is sent: a stream that misses a piece gets the rest from
the turn, when it has ended.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent_bridge.store.answer_growth import GrowthSender
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: Seconds for which a request for a text counts, and after which it is repeated.
_COUNTS, _REPEAT = 30.0, 10.0
#: Seconds between two pieces of one answer.
_PACE = 0.1
#: Characters of one piece: each has at most six bytes.
_PIECE = 1_200


class GrowingText:
    """The text of a turn so far, as far as its pieces have arrived."""

    def __init__(self) -> None:
        self.text = ""
        self._news = asyncio.Event()

    def take(self, at: int, piece: str) -> None:
        """Add a piece that begins at the character *at*. One behind a gap is lost."""
        if at <= len(self.text):
            self.text = self.text[:at] + piece
            self._news.set()

    async def next(self) -> str:
        """Return the text when it has changed since the last call."""
        await self._news.wait()
        self._news.clear()
        return self.text


class AnswerGrowth:
    """Sends the growing texts of this process's workers, and receives those of all processes."""

    def __init__(self, sender: GrowthSender, signals: Signals) -> None:
        self._sender = sender
        #: Answers that are being written.
        self._texts: dict[int, Callable[[], str]] = {}
        #: Turns whose texts are read somewhere, and until when, by the clock of the event loop.
        self._wanted: dict[int, float] = {}
        #: What was sent of them.
        self._sent: dict[int, str] = {}
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._readers: dict[int, list[GrowingText]] = {}
        signals.on_growth.append(self._deliver)

    @contextmanager
    def writing(self, turn: int, text: Callable[[], str]) -> Iterator[None]:
        """Let programs read *text*, which returns the answer to *turn* so far, for the length of the block."""
        self._texts[turn] = text
        try:
            yield
        finally:
            self._texts.pop(turn, None)

    def grew(self, turn: int) -> None:
        """Note that the answer to *turn* has another text. Costs nothing if no program reads it."""
        if turn in self._wanted and turn not in self._sending and turn in self._texts:
            self._sending[turn] = asyncio.create_task(self._send(turn, self._texts[turn]))

    @contextmanager
    def reading(self, turn: int) -> Iterator[GrowingText]:
        """Receive the text of *turn* for the length of the block."""
        growing = GrowingText()
        self._readers.setdefault(turn, []).append(growing)
        asking = asyncio.create_task(self._ask(turn))
        try:
            yield growing
        finally:
            asking.cancel()
            self._readers[turn].remove(growing)
            if not self._readers[turn]:
                del self._readers[turn]

    async def _ask(self, turn: int) -> None:
        is_new = True
        while True:
            await self._announce({"want": turn, "new": is_new})
            is_new = False
            await asyncio.sleep(_REPEAT)

    async def _send(self, turn: int, text: Callable[[], str]) -> None:
        try:
            await asyncio.sleep(_PACE)
            known, now = self._sent.get(turn, ""), text()
            # A text that was withdrawn begins anew.
            at = len(known) if now.startswith(known) else 0
            self._sent[turn] = now
            for start in range(at, len(now), _PIECE):
                await self._announce({"turn": turn, "at": start, "text": now[start : start + _PIECE]})
        finally:
            self._sending.pop(turn, None)

    async def _announce(self, values: dict[str, Any]) -> None:
        try:
            await self._sender.send(json.dumps(values, ensure_ascii=False))
        except StoreError as error:
            _log.info("a piece of a growing answer is lost", error=str(error))

    def _deliver(self, payload: str) -> None:
        values = json.loads(payload)
        if (turn := values.get("want")) is not None:
            now = asyncio.get_running_loop().time()
            self._wanted = {each: until for each, until in self._wanted.items() if until > now}
            self._sent = {each: text for each, text in self._sent.items() if each in self._wanted}
            self._wanted[turn] = now + _COUNTS
            if values["new"]:
                self._sent.pop(turn, None)
                self.grew(turn)
            return
        for growing in self._readers.get(values["turn"], ()):
            growing.take(values["at"], values["text"])
