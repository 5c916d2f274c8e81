"""Reasoning inside the text of an answer, as ``<think>…</think>`` at its beginning.

llama.cpp and vLLM send it this way if they have no parser for the model's reasoning.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from agent_bridge.upstream.answer import ReasoningDelta, TextDelta

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN, _CLOSE = "<think>", "</think>"
#: White space before the opening tag. After more of it, the text counts as the answer.
_MAX_BEFORE = 1_000


class _Position(Enum):
    BEFORE = auto()
    INSIDE = auto()
    #: After the closing tag, before the first word of the answer.
    BETWEEN = auto()
    ANSWER = auto()


class ThinkTagSplitter:
    """Splits the text of one answer into reasoning and answer. The text may be cut into pieces anywhere.

    Only text that begins with the opening tag, after white space, contains reasoning. Without a closing tag all of it
    is reasoning.
    """

    def __init__(self) -> None:
        self._position = _Position.BEFORE
        #: The end of the text, held back because it may be the beginning of a tag.
        self._held = ""

    def feed(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield the parts of the next piece whose kind is known."""
        text, self._held = self._held + text, ""
        if self._position is _Position.BEFORE:
            begin = text[:_MAX_BEFORE].lstrip() + text[_MAX_BEFORE:]
            if _OPEN.startswith(begin) and begin != _OPEN:
                self._held = text
                return
            self._position = _Position.INSIDE if begin.startswith(_OPEN) else _Position.ANSWER
            text = begin.removeprefix(_OPEN) if self._position is _Position.INSIDE else text
        if self._position is _Position.INSIDE:
            reasoning, tag, text = text.partition(_CLOSE)
            if tag:
                self._position = _Position.BETWEEN
            else:
                self._held = _beginning_of_tag(reasoning)
                reasoning = reasoning.removesuffix(self._held)
            if reasoning:
                yield ReasoningDelta(reasoning)
        if self._position is _Position.BETWEEN:
            text = text.lstrip()
            self._position = _Position.ANSWER if text else _Position.BETWEEN
        if text:
            yield TextDelta(text)

    def close(self) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield the text that was held back."""
        held, self._held = self._held, ""
        if held:
            yield ReasoningDelta(held) if self._position is _Position.INSIDE else TextDelta(held)


def _beginning_of_tag(text: str) -> str:
    """Return the end of *text* that is a beginning of the closing tag."""
    sizes = range(min(len(_CLOSE) - 1, len(text)), 0, -1)
    return next((text[-size:] for size in sizes if _CLOSE.startswith(text[-size:])), "")
