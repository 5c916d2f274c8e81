"""One answer: from bytes to deltas, and from their end to success or failure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.core.errors import AnswerEmpty, AnswerInterrupted, UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.base import Delta, End, FileDelta, ReasoningDelta, TextDelta, ToolCall, ToolResult
from agent_bridge.upstream.openai.pieces import Finish
from agent_bridge.upstream.openai.sse import EventParser
from agent_bridge.upstream.transport.error_body import Problem, problem_of
from agent_bridge.upstream.transport.text import load_json, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent_bridge.upstream.openai.pieces import Dialect, Piece
    from agent_bridge.upstream.openai.sse import Event
    from agent_bridge.upstream.transport.failures import Failures

#: Finish reasons of an answer that is not whole, with the names of their texts.
_BROKEN: dict[str | None, str] = {
    "content_filter": "answer_filtered",
    "error": "answer_error",
    "abort": "answer_aborted",
}
#: Finish reasons of an answer that waits for somebody to carry a tool out.
TOOLS = frozenset({"tool_calls", "function_call"})
_HALF_PAIR = re.compile("[\ud800-\udbff]\\Z")
#: Characters of one answer, with everything that is said and done on the way to it, at most: nobody reads more,
#: and an agent that never ends must not fill a room.
_MAX_ANSWER = 1_000_000
#: Characters of the links of its files, which may hold the files themselves.
_MAX_FILES = 64 * 1024 * 1024


class AnswerReader:
    """Reads one answer in one dialect of the API.

    It is whole when a finish reason has been seen, and on nothing else: neither ``[DONE]`` nor the end of the
    stream says that the agent has said all. What comes after the end is not looked at.
    """

    def __init__(self, failures: Failures, dialect: Dialect) -> None:
        self._failures = failures
        self._dialect = dialect
        self._events = EventParser()
        self._finish_reason: str | None = None
        self._half_pairs: dict[type[Delta], str] = {}
        self._files: set[str] = set()
        #: Whether the agent did anything, and whether that was an answer: text or a file.
        self._begun = self._said = False
        self._length = self._file_length = 0
        #: Whether the last delta was the end.
        self.ended = False

    def feed(self, data: bytes) -> Iterator[Delta]:
        """Yield what the next bytes of an event stream say.

        Raises:
            UpstreamError: they say that there is no whole answer.
        """
        for event in self._events.feed(data):
            yield from self._take(event)

    def close(self) -> Iterator[Delta]:
        """Yield what the end of the event stream completes.

        Raises:
            UpstreamError: there is no whole answer.
        """
        for event in self._events.close():
            yield from self._take(event)
        yield from self._end()

    def whole(self, body: bytes) -> Iterator[Delta]:
        """Yield the answer of a server that does not stream.

        Raises:
            UpstreamError: there is no whole answer.
        """
        try:
            value = load_json(body)
        except ValueError:
            value = None
        pieces = list(self._dialect.read(value))
        if not pieces:
            raise UpstreamProtocolError(Text("answer_no_completion", who=self._failures.who))
        yield from self._say(pieces)
        yield from self._end()

    def _take(self, event: Event) -> Iterator[Delta]:
        if self.ended:
            return
        if event.data.strip() == "[DONE]":
            yield from self._end()
        elif event.name == "error":
            raise self._failures.in_answer(problem_of(event.data), begun=self._begun)
        elif event.name == "message" or event.name.startswith("response."):
            try:
                value = load_json(event.data)
            except ValueError:
                raise AnswerInterrupted(Text("answer_no_json", who=self._failures.who)) from None
            yield from self._say(self._dialect.read(value))

    def _say(self, pieces: Iterable[Piece]) -> Iterator[Delta]:
        for piece in pieces:
            if self.ended:
                return
            if isinstance(piece, Problem):
                raise self._failures.in_answer(piece, begun=self._begun)
            if isinstance(piece, Finish):
                self._finish_reason = piece.reason
                if piece.last:
                    yield from self._end()
            elif delta := self._delta(piece):
                self._begun |= self._said or not isinstance(delta, TextDelta)
                yield delta

    def _delta(self, piece: Delta) -> Delta | None:
        """Return what there is to tell of *piece*, None when that is nothing."""
        match piece:
            case TextDelta(text) | ReasoningDelta(text):
                text = self._joined(type(piece), text)
                self._count(len(text))
                self._said |= isinstance(piece, TextDelta) and bool(text) and not text.isspace()
                return type(piece)(text) if text else None
            case FileDelta(url):
                if url in self._files:
                    return None
                self._files.add(url)
                self._count_files(len(url))
                self._said = True
            case ToolCall():
                self._count(len(piece.name) + len(piece.arguments))
            case ToolResult():
                self._count(len(piece.output))
        return piece

    def _joined(self, kind: type[Delta], text: str) -> str:
        """Return *text* as it can be stored, behind the half of a character that came before it.

        A server that counts in UTF-16 may cut between the halves of one character.
        """
        text = self._half_pairs.pop(kind, "") + text
        if half_pair := _HALF_PAIR.search(text):
            self._half_pairs[kind] = half_pair[0]
            text = text[:-1]
        return storable(text)

    def _count(self, characters: int) -> None:
        self._length += characters
        if self._length > _MAX_ANSWER:
            raise AnswerInterrupted(Text("answer_characters", who=self._failures.who, limit=_MAX_ANSWER))

    def _count_files(self, characters: int) -> None:
        self._file_length += characters
        if self._file_length > _MAX_FILES:
            raise AnswerInterrupted(Text("answer_files", who=self._failures.who, limit=_MAX_FILES))

    def _end(self) -> Iterator[Delta]:
        if self.ended:
            return
        yield from self._say(self._dialect.close())
        who, reason = self._failures.who, self._finish_reason
        if reason in _BROKEN:
            raise AnswerInterrupted(Text(_BROKEN[reason], who=who))
        if not self._said:
            raise AnswerEmpty(Text(self._silence(reason), who=who))
        if reason is None:
            raise AnswerInterrupted(Text("answer_cut", who=who))
        self.ended = True
        yield End(reason)

    def _silence(self, finish_reason: str | None) -> str:
        """Return the name of the text for an answer without text and files."""
        if finish_reason in TOOLS:
            return "empty_tool"
        if finish_reason == "length":
            return "empty_length"
        if self._begun:
            return "empty_work"
        return "empty_end" if finish_reason is None else "empty"
