"""The part of an answer that was passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.upstream.answer import TextDelta, TextWithdrawn, ToolCall, ToolResult
from agent_bridge.upstream.transport.letta_messages import DeltaReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent_bridge.upstream.answer import AnswerEvent


class Told:
    """The events of one answer so far, whose runs :attr:`reader` reads."""

    def __init__(self) -> None:
        self.reader = DeltaReader()
        self.text = ""
        #: The ids of the calls that ran, or that a person refused.
        self.results: set[str] = set()
        self._calls: set[str] = set()

    @property
    def has_text(self) -> bool:
        """Whether the text is an answer: it is not blank."""
        return bool(self.text.strip())

    def knows(self, call_id: str) -> bool:
        """Tell whether the call was passed on."""
        return call_id in self._calls

    def pass_on(self, events: Iterable[AnswerEvent]) -> Iterator[AnswerEvent]:
        """Yield *events*, without the calls and the results that were passed on before."""
        for each in events:
            match each:
                case TextDelta(words):
                    self.text += words
                case TextWithdrawn():
                    self.text = ""
                case ToolCall(call_id):
                    if call_id in self._calls:
                        continue
                    self._calls.add(call_id)
                case ToolResult(call_id):
                    if call_id in self.results:
                        continue
                    self.results.add(call_id)
            yield each

    def begin_again(self, text: str) -> Iterator[AnswerEvent]:
        """Take the text back, except for *text*, which is its beginning. The reader has read nothing then."""
        self.reader = DeltaReader()
        if self.text == text:
            return
        yield from self.pass_on([TextWithdrawn()])
        if text:
            yield from self.pass_on([TextDelta(text if text.endswith("\n") else f"{text}\n\n")])
