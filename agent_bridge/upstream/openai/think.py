"""Reasoning that stands in the answer itself, as ``<think>…</think>`` before the first word.

Servers without a parser for their model's reasoning send it so (llama.cpp, vLLM).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from agent_bridge.upstream.base import ReasoningDelta, TextDelta

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN, _CLOSE = "<think>", "</think>"
#: White space that may stand before the tag; an agent that sends nothing else for ever is not waited for.
_MAX_BEFORE = 1_000


class _Where(Enum):
    BEFORE = auto()
    INSIDE = auto()
    #: Behind the tag, before the first word.
    BETWEEN = auto()
    ANSWER = auto()


class ThinkSplitter:
    """Parts one answer's text into reasoning and answer, however the text is cut into pieces.

    Only an answer that begins with the tag, but for white space, has reasoning; an unclosed one is nothing else.
    """

    def __init__(self) -> None:
        self._where = _Where.BEFORE
        #: What may yet turn out to be a tag.
        self._kept = ""

    def feed(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield what the next piece makes certain."""
        text, self._kept = self._kept + text, ""
        if self._where is _Where.BEFORE:
            begin = text[:_MAX_BEFORE].lstrip() + text[_MAX_BEFORE:]
            if _OPEN.startswith(begin) and begin != _OPEN:
                self._kept = text
                return
            self._where = _Where.INSIDE if begin.startswith(_OPEN) else _Where.ANSWER
            text = begin.removeprefix(_OPEN) if self._where is _Where.INSIDE else text
        if self._where is _Where.INSIDE:
            thought, tag, text = text.partition(_CLOSE)
            if tag:
                self._where = _Where.BETWEEN
            else:
                self._kept = _beginning_of_tag(thought)
                thought = thought.removesuffix(self._kept)
            if thought:
                yield ReasoningDelta(thought)
        if self._where is _Where.BETWEEN:
            text = text.lstrip()
            self._where = _Where.ANSWER if text else _Where.BETWEEN
        if text:
            yield TextDelta(text)

    def close(self) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield what was kept back."""
        kept, self._kept = self._kept, ""
        if kept:
            yield ReasoningDelta(kept) if self._where is _Where.INSIDE else TextDelta(kept)


def _beginning_of_tag(text: str) -> str:
    """Return the end of *text* with which the closing tag may begin."""
    sizes = range(min(len(_CLOSE) - 1, len(text)), 0, -1)
    return next((text[-size:] for size in sizes if _CLOSE.startswith(text[-size:])), "")
