"""Reads one answer: turns bytes into events, and decides whether the answer is complete."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import (
    AnswerEmpty,
    AnswerFiltered,
    AnswerInterrupted,
    AnswerMissing,
    FileProblem,
    UpstreamProtocolError,
)
from agent_bridge.core.usage import Usage
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import (
    End,
    FileDelta,
    ReasoningDelta,
    RunStarted,
    TextDelta,
    TextWithdrawn,
    ToolCall,
    ToolResult,
)
from agent_bridge.upstream.openai.answer_body import AnswerBody, Done, Value, Words
from agent_bridge.upstream.openai.answer_text import AnswerText
from agent_bridge.upstream.openai.dialect import Finish, Sources
from agent_bridge.upstream.openai.finish_reasons import TOOL_REASONS, finish_reason, worse
from agent_bridge.upstream.transport.error_body import ErrorReport, parse_error
from agent_bridge.upstream.transport.sse import LAST_NAMES
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.openai.answer_body import Part
    from agent_bridge.upstream.openai.dialect import Dialect, Piece
    from agent_bridge.upstream.transport.errors import ErrorMapper

#: Finish reasons of an answer that is not complete, with the names of their texts.
_INCOMPLETE: dict[str | None, str] = {
    "content_filter": "answer_filtered",
    "error": "answer_error",
    "abort": "answer_aborted",
}
#: Names of events that end the answer, or perhaps only a step of the agent.
_FINISH_NAMES = ("complete", "completed", "finish", "finished", "stop", "close", "message_stop", "message_end")
#: Keys of the values of an answer.
_KNOWN = ("choices", "usage", "object", "type", "response", "output_text")
_HIGH_SURROGATE = re.compile("[\ud800-\udbff]\\Z")
#: Characters of the text of one answer. A longer one is not readable, and an endless one must not fill a room.
_MAX_ANSWER = 1_000_000
#: Characters of reasoning and tools. The rest is left out: messages show far less.
_MAX_ACTIVITY = 1_000_000
#: Characters of the URLs of an answer's files; further files are left out. A ``data:`` URL contains the file.
_MAX_FILES = 64 * 1024 * 1024
#: Seconds without data after a finish reason that end an answer whose server sends no ``[DONE]`` and keeps the
#: connection open: while the finish reason may be the last one, and once such a reason was followed by more.
_PATIENCE, _LONG_PATIENCE = 3.0, 60.0


class AnswerReader:
    """Reads one answer in one dialect of the API.

    A finish reason does not end the reading, because some servers send one for each step of their agent. The answer is
    complete when it has content, and a finish reason, ``[DONE]`` or a report of the usage after the content. The end of
    the stream alone does not prove that. *gives_reasons* tells that the server gives a finish reason with every
    complete answer. Then ``[DONE]`` does not prove it either: llama_cpp.server sends it when it drops an answer.
    """

    def __init__(self, errors: ErrorMapper, dialect: Dialect, *, gives_reasons: bool = False) -> None:
        self._errors = errors
        self._dialect = dialect
        self._gives_reasons = gives_reasons
        self._body = AnswerBody(errors.upstream)
        self._text = AnswerText()
        self._finish_reason: str | None = None
        #: Whether anything showed that the content so far is all, and whether content followed such a sign.
        self._finished = self._went_on = False
        #: The last data that was not JSON: perhaps the words of a failure.
        self._words = ""
        #: Whether there was JSON of another format than an answer.
        self._is_other = False
        self._half_characters: dict[type[AnswerEvent], str] = {}
        self._files: set[str] = set()
        #: Whether any event was yielded, any but a blank text, and whether the answer has text or a file.
        self._yielded = self._begun = self._has_content = False
        #: Whether the answer contains reasoning that is not blank.
        self._has_reasoning = False
        self._length = self._activity_length = self._file_length = 0
        #: The last report of tokens that was not yielded: servers repeat the sum so far.
        self._usage: Usage | None = None
        #: Whether the answer goes on in another response.
        self._asks = False
        #: Whether the last event was :class:`End`, or the answer goes on in another response.
        self.ended = False

    @property
    def patience(self) -> float | None:
        """Seconds without data that end the answer; None: it is not complete yet."""
        if not self.complete or self._finish_reason in TOOL_REASONS:
            return None
        # Without a finish reason, a report of the usage is the only sign, and may be that of one step.
        return _LONG_PATIENCE if self._went_on or self._finish_reason is None else _PATIENCE

    @property
    def complete(self) -> bool:
        """Whether the answer is complete if nothing follows."""
        return self._finished and self._has_content

    @property
    def _proves_end(self) -> bool:
        """Whether the server's mark of the end shows that the answer is complete."""
        return self._finish_reason is not None or not self._gives_reasons

    @property
    def waiting(self) -> int:
        """Bytes of the body that were fed and wait for further ones."""
        return self._body.waiting

    @property
    def has_reason(self) -> bool:
        """Whether the server gave a finish reason."""
        return self._finish_reason is not None

    def feed(self, data: bytes) -> Iterator[AnswerEvent]:
        """Yield the events in the next bytes of the body.

        Raises:
            UpstreamError: the answer cannot become complete.
        """
        for part in () if self.ended else self._body.feed(data):
            yield from self._read(part)
            if self.ended:
                return

    def close(self) -> Iterator[AnswerEvent]:
        """Yield the last events at the end of the body.

        Raises:
            UpstreamError: the answer is not complete.
        """
        for part in () if self.ended else self._body.close():
            yield from self._read(part)
        self._finished |= self._finish_reason is not None or self._body.is_document
        yield from self._end()

    def flush(self) -> Iterator[AnswerEvent]:
        """Yield the text and the tokens that were held back, before the answer ends, perhaps with an error."""
        for piece in self._text.close():
            yield from self._accept(piece)
        if self._usage is not None:
            usage, self._usage = self._usage, None
            yield usage

    def _read(self, part: Part) -> Iterator[AnswerEvent]:
        if self.ended:
            return
        if isinstance(part, Done):
            self._finished |= self._proves_end
            yield from self._end()
        elif part.name.lower() in LAST_NAMES and not _is_read(part):
            # It may be the name of the end of a step.
            self._finished |= self._proves_end
        elif part.name.lower() in _FINISH_NAMES and not _is_read(part):
            self._finished = True
        elif part.name == "error":
            yield from self.flush()
            report = parse_error(part.text if isinstance(part, Words) else part.value)
            raise self._errors.from_answer(report, begun=self._begun)
        elif isinstance(part, Words):
            self._words = part.text
        elif not _is_read(part):
            self._is_other |= part.name != "ping"
        else:
            self._is_other |= isinstance(part.value, dict) and part.value.keys().isdisjoint(_KNOWN)
            yield from self._read_pieces(self._dialect.read(_typed(part)))

    def _read_pieces(self, pieces: Iterable[Piece]) -> Iterator[AnswerEvent]:
        for piece in pieces:
            if self.ended:
                return
            if isinstance(piece, ErrorReport):
                yield from self._fail(piece)
            elif isinstance(piece, Finish):
                yield from self._finish(piece)
            elif isinstance(piece, Usage):
                self._usage = piece if self._usage is None else self._usage.corrected_by(piece)
            elif isinstance(piece, Sources):
                self._text.add_sources(piece)
            elif isinstance(piece, RunStarted):
                # A name that comes late is not worth an exception from the order of events.
                if not self._yielded:
                    self._yielded = True
                    yield piece
            else:
                for event in self._text.feed(piece):
                    yield from self._accept(event)

    def _fail(self, report: ErrorReport) -> Iterator[AnswerEvent]:
        """Raise the error for *report*, unless the answer was complete before."""
        if self.complete and self._finish_reason not in _INCOMPLETE:
            yield from self._end()
            return
        yield from self.flush()
        raise self._errors.from_answer(report, begun=self._begun)

    def _finish(self, piece: Finish) -> Iterator[AnswerEvent]:
        self._finished = True
        self._asks = piece.asks
        if piece.reason is not None:
            self._finish_reason = worse(self._finish_reason, finish_reason(piece.reason))
        if piece.last:
            yield from self._end()

    def _accept(self, piece: AnswerEvent) -> Iterator[AnswerEvent]:
        """Count *piece* and yield it as an event, unless it is empty or a repeated file."""
        event = self._counted(piece)
        if event is None:
            return
        if not (isinstance(event, TextDelta | ReasoningDelta) and event.text.isspace()):
            self._went_on |= self._finished and self._has_content
            self._finished = False
        self._yielded = True
        self._begun |= self._has_content or not isinstance(event, TextDelta)
        if not isinstance(event, ReasoningDelta | ToolCall | ToolResult) or self._activity_length <= _MAX_ACTIVITY:
            yield event

    def _counted(self, piece: AnswerEvent) -> AnswerEvent | None:
        match piece:
            case TextDelta(text) | ReasoningDelta(text):
                text = self._whole_characters(type(piece), text)
                self._count(piece, len(text))
                blank = not text or text.isspace()
                if isinstance(piece, TextDelta):
                    self._has_content |= not blank
                elif blank and not self._has_reasoning:
                    return None
                else:
                    self._has_reasoning = True
                return type(piece)(text) if text else None
            case TextWithdrawn():
                self._has_content = bool(self._files)
                self._length = 0
            case FileDelta(url):
                if url and url in self._files:
                    return None
                self._has_content = True
                return self._counted_file(piece)
            case ToolCall():
                self._count(piece, len(piece.name) + len(piece.arguments))
            case ToolResult():
                self._count(piece, len(piece.output))
        return piece

    def _counted_file(self, file: FileDelta) -> FileDelta:
        if self._file_length + len(file.url) > _MAX_FILES:
            return replace(file, url="", problem=FileProblem.TOO_LARGE)
        self._file_length += len(file.url)
        self._files.add(file.url)
        return file

    def _whole_characters(self, kind: type[AnswerEvent], text: str) -> str:
        """Return *text* made storable, after the half of a character that ended the text before it.

        A server that counts in UTF-16 may cut a character into two surrogates.
        """
        text = self._half_characters.pop(kind, "") + text
        if half := _HIGH_SURROGATE.search(text):
            self._half_characters[kind] = half[0]
            text = text[:-1]
        return storable(text)

    def _count(self, piece: AnswerEvent, characters: int) -> None:
        if not isinstance(piece, TextDelta):
            self._activity_length += characters
            return
        self._length += characters
        if self._length > _MAX_ANSWER:
            raise AnswerInterrupted(Text("answer_characters", upstream=self._errors.upstream, limit=_MAX_ANSWER))

    def _end(self) -> Iterator[AnswerEvent]:
        if self.ended:
            return
        finished = self._finished
        yield from self.flush()
        upstream, reason = self._errors.upstream, self._finish_reason
        if reason in _INCOMPLETE:
            kind = AnswerFiltered if reason == "content_filter" else AnswerInterrupted
            raise kind(Text(_INCOMPLETE[reason], upstream=upstream))
        if self._asks:
            self.ended = True
            return
        if not self._has_content:
            raise self._nothing(reason)
        if not finished:
            raise AnswerInterrupted(Text("answer_cut", upstream=upstream), detail=self._detail())
        self.ended = True
        yield End(reason or "stop")

    def _detail(self) -> str | None:
        """Return the words of a failure that are not JSON; None without any."""
        words = self._words or self._body.stray_line
        # The beginning of binary data says nothing.
        return parse_error(words).redacted(self._errors.secrets) if words and "\ufffd" not in words else None

    def _nothing(self, reason: str | None) -> AnswerEmpty | UpstreamProtocolError:
        """Return the error for an answer without text and files."""
        upstream = self._errors.upstream
        if reason in TOOL_REASONS:
            return AnswerEmpty(Text("empty_tool", upstream=upstream))
        if reason == "length":
            return AnswerEmpty(Text("empty_length", upstream=upstream))
        if self._begun:
            return AnswerEmpty(Text("empty_work", upstream=upstream))
        if reason is not None:
            return AnswerEmpty(Text("empty", upstream=upstream))
        if self._words or self._body.stray_line or self._is_other or self._body.is_json:
            return UpstreamProtocolError(Text("answer_no_completion", upstream=upstream), detail=self._detail())
        return AnswerMissing(Text("empty_end", upstream=upstream))


def _is_read(part: Value | Words) -> bool:
    """Tell whether an event is a part of the answer by its name, or by its content."""
    if isinstance(part, Words):
        return False
    if part.name == "message" or part.name.startswith("response."):
        return True
    return isinstance(part.value, dict) and "choices" in part.value


def _typed(part: Value) -> Any:
    """Return the value with the name of its event as its type, if the server names the type only there."""
    if part.name.startswith("response.") and isinstance(part.value, dict) and "type" not in part.value:
        return {**part.value, "type": part.name}
    return part.value
