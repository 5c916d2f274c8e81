"""Reads one answer: turns bytes into events, and decides whether the answer is complete."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.core.errors import AnswerEmpty, AnswerInterrupted, UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import End, FileDelta, ReasoningDelta, RunStarted, TextDelta, ToolCall, ToolResult
from agent_bridge.upstream.openai.dialect import Finish
from agent_bridge.upstream.openai.sse import EventParser
from agent_bridge.upstream.transport.error_body import ErrorReport, parse_error
from agent_bridge.upstream.transport.text import load_json, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.openai.dialect import Dialect, Piece
    from agent_bridge.upstream.openai.sse import Event
    from agent_bridge.upstream.transport.errors import ErrorMapper

#: Finish reasons of an answer that is not complete, with the names of their texts.
_INCOMPLETE: dict[str | None, str] = {
    "content_filter": "answer_filtered",
    "error": "answer_error",
    "abort": "answer_aborted",
}
#: Finish reasons of an answer that needs the result of a tool to continue.
TOOL_REASONS = frozenset({"tool_calls", "function_call"})
_HIGH_SURROGATE = re.compile("[\ud800-\udbff]\\Z")
#: Characters of one answer, including reasoning and tools. A longer one is not readable, and an agent that never ends
#: must not fill a room.
_MAX_ANSWER = 1_000_000
#: Characters of the URLs of an answer's files. A ``data:`` URL contains the file.
_MAX_FILES = 64 * 1024 * 1024


class AnswerReader:
    """Reads one answer in one dialect of the API.

    The answer is complete when it has content and a finish reason. Neither ``[DONE]`` nor the end of the stream
    proves that. Bytes after the end of the answer are ignored.
    """

    def __init__(self, errors: ErrorMapper, dialect: Dialect) -> None:
        self._errors = errors
        self._dialect = dialect
        self._parser = EventParser()
        self._finish_reason: str | None = None
        self._half_characters: dict[type[AnswerEvent], str] = {}
        self._files: set[str] = set()
        #: Whether any event was yielded, any but a blank text, and whether the answer has text or a file.
        self._yielded = self._begun = self._has_content = False
        self._length = self._file_length = 0
        #: Whether the last event was :class:`End`.
        self.ended = False

    def feed(self, data: bytes) -> Iterator[AnswerEvent]:
        """Yield the events in the next bytes of an event stream.

        Raises:
            UpstreamError: the answer cannot become complete.
        """
        for event in self._parser.feed(data):
            yield from self._read_event(event)

    def close(self) -> Iterator[AnswerEvent]:
        """Yield the last events at the end of the event stream.

        Raises:
            UpstreamError: the answer is not complete.
        """
        for event in self._parser.close():
            yield from self._read_event(event)
        yield from self._end()

    def read_json(self, body: bytes) -> Iterator[AnswerEvent]:
        """Yield the events of an answer that came as one JSON document.

        Raises:
            UpstreamError: the answer is not complete.
        """
        try:
            value = load_json(body)
        except ValueError:
            value = None
        pieces = list(self._dialect.read(value))
        if all(isinstance(piece, RunStarted) for piece in pieces):
            raise UpstreamProtocolError(Text("answer_no_completion", upstream=self._errors.upstream))
        yield from self._read_pieces(pieces)
        yield from self._end()

    def _read_event(self, event: Event) -> Iterator[AnswerEvent]:
        if self.ended:
            return
        if event.data.strip() == "[DONE]":
            yield from self._end()
        elif event.name == "error":
            raise self._errors.from_answer(parse_error(event.data), begun=self._begun)
        elif event.name == "message" or event.name.startswith("response."):
            try:
                value = load_json(event.data)
            except ValueError:
                raise AnswerInterrupted(Text("answer_no_json", upstream=self._errors.upstream)) from None
            yield from self._read_pieces(self._dialect.read(value))

    def _read_pieces(self, pieces: Iterable[Piece]) -> Iterator[AnswerEvent]:
        for piece in pieces:
            if self.ended:
                return
            if isinstance(piece, ErrorReport):
                raise self._errors.from_answer(piece, begun=self._begun)
            if isinstance(piece, Finish):
                self._finish_reason = piece.reason
                if piece.last:
                    yield from self._end()
            elif isinstance(piece, RunStarted):
                # A name that comes late is not worth an exception from the order of events.
                if not self._yielded:
                    self._yielded = True
                    yield piece
            elif event := self._accept(piece):
                self._yielded = True
                self._begun |= self._has_content or not isinstance(event, TextDelta)
                yield event

    def _accept(self, piece: AnswerEvent) -> AnswerEvent | None:
        """Count *piece* and return it as an event, None if it is empty or a repeated file."""
        match piece:
            case TextDelta(text) | ReasoningDelta(text):
                text = self._whole_characters(type(piece), text)
                self._count(len(text))
                self._has_content |= isinstance(piece, TextDelta) and bool(text) and not text.isspace()
                return type(piece)(text) if text else None
            case FileDelta(url):
                if url in self._files:
                    return None
                self._files.add(url)
                self._count_files(len(url))
                self._has_content = True
            case ToolCall():
                self._count(len(piece.name) + len(piece.arguments))
            case ToolResult():
                self._count(len(piece.output))
        return piece

    def _whole_characters(self, kind: type[AnswerEvent], text: str) -> str:
        """Return *text* made storable, after the half of a character that ended the text before it.

        A server that counts in UTF-16 may cut a character into two surrogates.
        """
        text = self._half_characters.pop(kind, "") + text
        if half := _HIGH_SURROGATE.search(text):
            self._half_characters[kind] = half[0]
            text = text[:-1]
        return storable(text)

    def _count(self, characters: int) -> None:
        self._length += characters
        if self._length > _MAX_ANSWER:
            raise AnswerInterrupted(Text("answer_characters", upstream=self._errors.upstream, limit=_MAX_ANSWER))

    def _count_files(self, characters: int) -> None:
        self._file_length += characters
        if self._file_length > _MAX_FILES:
            raise AnswerInterrupted(Text("answer_files", upstream=self._errors.upstream, limit=_MAX_FILES))

    def _end(self) -> Iterator[AnswerEvent]:
        if self.ended:
            return
        yield from self._read_pieces(self._dialect.close())
        upstream, reason = self._errors.upstream, self._finish_reason
        if reason in _INCOMPLETE:
            raise AnswerInterrupted(Text(_INCOMPLETE[reason], upstream=upstream))
        if not self._has_content:
            raise AnswerEmpty(Text(self._no_content(reason), upstream=upstream))
        if reason is None:
            raise AnswerInterrupted(Text("answer_cut", upstream=upstream))
        self.ended = True
        yield End(reason)

    def _no_content(self, finish_reason: str | None) -> str:
        """Return the name of the text for an answer without text and files."""
        if finish_reason in TOOL_REASONS:
            return "empty_tool"
        if finish_reason == "length":
            return "empty_length"
        if self._begun:
            return "empty_work"
        return "empty_end" if finish_reason is None else "empty"
