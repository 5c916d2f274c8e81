"""Questions and the answers due to them: a seed and the question's key determine both."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_WORDS = ("amber", "brook", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty", "knoll", "ledge")
#: Words of an ordinary answer; of the parts of a long one: each fits one event, together they do not.
_SHORT, _LONG = (3, 40), ((1100, 1200), (400, 700))
_PIECES = (1, 6)
_SECONDS = (0.0, 2.0)
#: Seconds between the last words of a cut answer and the cut: the bridge has received the words by then.
_BEFORE_CUT = 0.3
_WORDS_OF_ALL = "what do you say?"
_ASKED = re.compile(rf"(\S+) {re.escape(_WORDS_OF_ALL)}")
#: Ends of the keys of questions with a whole answer: an edited question, and the last one of a room.
EDITED, LAST = ".edited", ".last"
_WHOLE = (EDITED, LAST)


class Fate(StrEnum):
    """The upstream's treatment of a question."""

    WHOLE = "whole"
    LONG = "long"
    BUSY = "busy first"
    CUT = "cut"


class Change(StrEnum):
    """A person's later request about a question."""

    NONE = "none"
    AGAIN = "🔁"
    EDIT = "edit"
    STOP = "🛑"
    REDACT = "redaction"


_SHARES = {Fate.WHOLE: 85, Fate.LONG: 5, Fate.BUSY: 5, Fate.CUT: 5}


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the upstream's answer to it."""

    key: str
    fate: Fate
    #: The messages that show the answer, or half of it when it is cut.
    due: tuple[str, ...]
    #: The pieces of the upstream's answer, each with the seconds before it.
    pieces: tuple[tuple[float, str], ...]
    #: The key of the question at the root of the thread; empty outside threads.
    thread: str = ""
    change: Change = Change.NONE
    #: The key before the edit; empty without an edit.
    key_before: str = ""
    picture: bool = False
    #: Whether no person says anything more in this room.
    last: bool = False
    #: Whether a later message may have interrupted the answer.
    interruptible: bool = False

    @property
    def text(self) -> str:
        """The text of the person's message."""
        return f"{self.key} {_WORDS_OF_ALL}"

    @property
    def whole(self) -> str:
        """The text of the answer that is due."""
        return "\n\n".join(self.due)

    @property
    def cut(self) -> bool:
        """Whether half an answer and a notice about it are right."""
        return self.fate is Fate.CUT

    @property
    def may_be_partial(self) -> bool:
        """Whether any part of the answer is right, because a person stopped it."""
        return self.change in {Change.STOP, Change.REDACT}


def question(seed: int, key: str, fate: Fate | None = None) -> Question:
    """Return the question *key* of the run *seed*, always the same; *fate* overrides the one that was drawn."""
    draw = random.Random(f"{seed} {key}")  # noqa: S311
    drawn = draw.choices([*_SHARES], [*_SHARES.values()])[0]
    fate = fate or (Fate.WHOLE if key.endswith(_WHOLE) else drawn)
    sizes = _LONG if fate is Fate.LONG else (_SHORT,)
    parts = [f"{key}/{part} {' '.join(draw.choices(_WORDS, k=draw.randint(*size)))}" for part, size in enumerate(sizes)]
    text = "\n\n".join(parts)
    count = draw.randint(*_PIECES)
    ends = [*sorted(draw.sample(range(len(key) + 3, len(text)), count - 1)), len(text)]
    pause = draw.uniform(*_SECONDS) / count
    pieces = [(pause, text[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    if fate is Fate.CUT:
        pieces = pieces[: max(1, count // 2)]
        if count == 1:
            pieces = [(pause, text[: len(text) // 2])]
        parts = ["".join(piece for _, piece in pieces).strip()]
    return Question(key, fate, tuple(parts), tuple(pieces))


class Answerer:
    """Answers questions as they are due, as the script of a :class:`~scripted.ScriptedUpstream`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        #: When each model was asked each question, in seconds of the monotonic clock; requests that were turned away do
        #: not count.
        self.moments: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._turned_away: set[tuple[str, str]] = set()

    @property
    def repeats(self) -> int:
        """The number of requests that were not the first for their question."""
        return sum(len(moments) - 1 for keys in self.moments.values() for moments in keys.values())

    async def script(self, model: str, text: str) -> AsyncIterator[str | int | Exception | None]:
        """Answer *text*, which *model* is asked."""
        key = newest_key(text)
        asked = question(self._seed, key)
        if asked.fate is Fate.BUSY and (model, key) not in self._turned_away:
            self._turned_away.add((model, key))
            yield HTTPStatus.SERVICE_UNAVAILABLE.value
            return
        self.moments[model][key].append(time.monotonic())
        for pause, piece in asked.pieces:
            await asyncio.sleep(pause)
            yield piece
        if asked.cut:
            await asyncio.sleep(_BEFORE_CUT)
            yield None


class AnsweringUpstream(ScriptedUpstream):
    """Has the agents *models*, which answer as *answerer* does."""

    def __init__(self, answerer: Answerer, *models: str) -> None:
        super().__init__(*models)
        self._answerer = answerer

    async def reply(self, question: Mapping[str, Any]) -> AsyncIterator[object]:
        """Yield the pieces of the answer of a model."""
        self.script = partial(self._answerer.script, str(question["model"]))
        async for piece in super().reply(question):
            yield piece


def parts_of(text: str) -> list[str]:
    """Return the messages that the bridge joined to *text*, so that the roles alternate; without names of pictures."""
    return [part for part in text.split("\n\n") if not part.startswith("[")]


def questions_in(text: str) -> list[str]:
    """Return the questions in *text*, which may have other words between them."""
    return [f"{key} {_WORDS_OF_ALL}" for key in _ASKED.findall(text)]


def newest_key(text: str) -> str:
    """Return the key of the last question in *text*."""
    return key_of(questions_in(text)[-1])


def key_of(text: str) -> str:
    """Return the key at the beginning of the text of a question."""
    return next(iter(text.split(maxsplit=1)), "")
