"""Deltas become ops: a state machine whose caller passes the time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.answers import Op, Part
from agent_bridge.render.content import fits
from agent_bridge.render.split import PART_BYTES, split
from agent_bridge.render.syntax.fences import regular

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes that fit an event in any case.
_LEAST = 500
#: The end of a sentence or of a line. Behind a single letter or digit, a full stop is a part of a name or a list.
_SENTENCE = re.compile(r"\w\w[^\w\s]*[.!?…][^\w\s]*(?:\s|$)|[\u3002\uff01\uff1f]|\S[^\S\n]*\n")
#: Characters of a beginning that are searched for a sentence.
_LOOKED_AT = 500
#: The growth of the intervals with the age of an answer.
_STRETCH = 9.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The intervals at which a growing answer is shown. Times are seconds."""

    #: From the end of the first sentence, or from *enough* characters, to the first words: an answer that ends by then
    #: is one event and no edit.
    first: float = 0.1
    enough: int = 40
    #: From the first token to the first words, at most.
    latest: float = 1.0
    #: Between two passes of edits at the beginning: none are ever closer.
    floor: float = 0.5
    #: Between two passes of edits later.
    ceiling: float = 5.5
    #: Until the interval has grown from *floor* to *ceiling*.
    growth: float = 12.0
    #: Events that show one answer before it is complete, at most.
    max_events: int = 40

    def interval(self, age: float, events: int) -> float:
        """Return the time to the next pass for an answer that began *age* ago and took *events* so far."""
        interval = self.floor + (self.ceiling - self.floor) * min(age / self.growth, 1.0)
        if 2 * events <= self.max_events:
            return interval
        # In the second half of the events, each waits for a share of the age: forty of them last for an hour.
        return max(interval, age * _STRETCH / self.max_events)


class Rendition:
    """A growing answer, shown at *pace*. Times are seconds of any monotonic clock.

    The ops that :meth:`take` returns show a growing answer, in *max_parts* parts at most; the last part is live. The
    ops of :func:`ops_for` show the complete answer.
    """

    def __init__(self, pace: Pace, *, max_parts: int) -> None:
        self._pace = pace
        self._max_parts = max_parts
        self._pieces: list[str] = []
        self._shown: dict[int, Op] = {}
        self._events = 0
        self._due: float | None = None
        #: When the first words were shown, and when any were last.
        self._first: float | None = None
        self._last = 0.0
        #: The beginning of the text, and whether it is enough for the first words.
        self._begin = ""
        self._has_begin = False

    @property
    def text(self) -> str:
        """All deltas so far."""
        return "".join(self._pieces)

    @property
    def begun(self) -> bool:
        """Whether anything was shown."""
        return self._first is not None

    @property
    def growing(self) -> int | None:
        """The part that was shown last and grows; None before the first words."""
        return max(self._shown, default=None)

    @property
    def due(self) -> float | None:
        """When :meth:`take` has something to show next, None while there is nothing new."""
        return self._due

    def feed(self, text: str, now: float) -> None:
        """Add a delta that arrived at *now*."""
        self._pieces.append(text)
        if len(self._begin) < _LOOKED_AT:
            self._begin = (self._begin + text[:_LOOKED_AT]).lstrip()
        self._schedule(now)
        if not self.begun and not self._has_begin and self._due is not None and self._is_begin():
            self._has_begin = True
            self._due = min(self._due, now + self._pace.first)

    def _is_begin(self) -> bool:
        """Tell whether the text is enough for the first words: a sentence, or as many characters."""
        return len(self._begin.rstrip()) >= self._pace.enough or _SENTENCE.search(self._begin) is not None

    def _schedule(self, now: float) -> None:
        if self._due is not None or self._events >= self._pace.max_events:
            return
        if self._first is not None:
            self._due = max(now, self._last + self._pace.interval(self._last - self._first, self._events))
        elif self._begin:
            self._due = now + self._pace.latest

    def withdraw(self) -> None:
        """Forget the text so far. Messages that show it stay until the next text, or the end of the answer."""
        self._pieces.clear()
        self._begin = ""
        self._due = None

    def take(self, now: float) -> list[Op]:
        """Return the ops that are due at *now*; from then on they count as shown."""
        text = self.begin(now)
        return [] if text is None else self.end(ops_for(text))

    def begin(self, now: float) -> str | None:
        """Return the text whose ops are due at *now*, None if none are; pass :func:`ops_for` of it to :meth:`end`."""
        if self._due is None or now < self._due:
            return None
        self._due = None
        # A pass that finds nothing to show counts too: it would be repeated with every delta.
        self._last = now
        self._first = now if self._first is None else self._first
        return self.text

    def end(self, ops: list[Op], *, quiet: bool = False) -> list[Op]:
        """Return the part of *ops* that is not shown yet; from then on it counts as shown.

        With *quiet*, people see the growth of the part that grows elsewhere, also what follows that part: both are left
        out, and due again.
        """
        ops = [*(op for op in ops[:-1]), Op(ops[-1].part, ops[-1].text, live=True)][: self._max_parts]
        ops = [op for op in ops if self._shown.get(op.part) != op]
        if quiet and self._shown and ops:
            ops = []
            self._schedule(self._last)
        ops = ops[: self._pace.max_events - self._events]
        self._events += len(ops)
        self._shown.update((op.part, op) for op in ops)
        return ops


def ops_for(text: str) -> list[Op]:
    """Return the ops that show the complete *text*, by part, each small enough for one event and its edits."""
    # Each part is made regular on its own: the text behind a complete part does not change it any more.
    pieces = (regular(piece) for piece in _pieces(text.strip(), PART_BYTES))
    return [Op(part, piece) for part, piece in zip(Part.TEXT, pieces, strict=False)]


def _pieces(text: str, limit: int) -> Iterator[str]:
    for piece in split(text, limit):
        # Some text is several times as long in HTML, or in JSON.
        if fits(regular(piece)) or limit <= _LEAST:
            yield piece
        else:
            yield from _pieces(piece, limit // 2)
