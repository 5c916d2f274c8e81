"""Answers to ``POST /chat/completions``: from events to deltas, and from their end to success or failure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import AnswerBroken, AnswerEmpty, UpstreamNonsense
from agent_bridge.upstream.base import Delta, End, TextDelta
from agent_bridge.upstream.problems import Problem, problem_of
from agent_bridge.upstream.sse import EventParser
from agent_bridge.upstream.text import load_json, storable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.upstream.failures import Failures
    from agent_bridge.upstream.sse import Event

_TEXT_PARTS = ("text", "output_text")
#: An agent's server may go on after these: it has called the tool itself.
_TOOLS = frozenset({"tool_calls", "function_call"})
#: Finish reasons of an answer that is not whole.
_BROKEN = {
    "content_filter": "its content filter stopped the answer",
    "error": "it reported a failure",
    "abort": "it gave the answer up",
}
_HALF_PAIR = re.compile("[\ud800-\udbff]\\Z")
#: Characters of one answer, at most: nobody reads more, and an agent that never ends must not fill a room.
_MAX_ANSWER = 1_000_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one chunk, or a whole completion, says."""

    text: str = ""
    finish_reason: str | None = None
    problem: Problem | None = None


def read_chunk(value: Any) -> Chunk:
    """Read a ``chat.completion.chunk`` or a ``chat.completion``; what is missing or unknown says nothing."""
    if not isinstance(value, dict):
        return Chunk()
    if value.get("error") or value.get("object") == "error":
        return Chunk(problem=problem_of(value))
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return Chunk()
    said = choice["delta"] if isinstance(choice.get("delta"), dict) else choice.get("message")
    reason = choice.get("finish_reason")
    return Chunk(
        text=_text(said.get("content")) if isinstance(said, dict) else "",
        finish_reason=reason if isinstance(reason, str) and reason else None,
    )


class AnswerReader:
    """Reads one answer.

    It is whole when a finish reason has been seen, and on nothing else: neither ``[DONE]`` nor the end of the
    stream says that the agent has said all. What comes after the end is not looked at.
    """

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._events = EventParser()
        self._finish_reason: str | None = None
        self._half_pair = ""
        self._said = False
        self._length = 0
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
        chunk = read_chunk(value)
        if chunk == Chunk():
            raise UpstreamNonsense(f"{self._failures.who} answered with something that is no completion")
        yield from self._say(chunk)
        yield from self._end()

    def _take(self, event: Event) -> Iterator[Delta]:
        if self.ended:
            return
        if event.data.strip() == "[DONE]":
            yield from self._end()
        elif event.name == "error":
            raise self._failures.in_answer(problem_of(event.data), begun=self._said)
        elif event.name == "message":
            try:
                value = load_json(event.data)
            except ValueError:
                raise AnswerBroken(f"{self._failures.who} sent a chunk that is not JSON") from None
            yield from self._say(read_chunk(value))
            if self._finish_reason is not None and self._finish_reason not in _TOOLS:
                yield from self._end()

    def _say(self, chunk: Chunk) -> Iterator[Delta]:
        if chunk.problem is not None:
            raise self._failures.in_answer(chunk.problem, begun=self._said)
        self._finish_reason = chunk.finish_reason or self._finish_reason
        text = self._half_pair + chunk.text
        # A server that counts in UTF-16 may cut between the halves of one character.
        half_pair = _HALF_PAIR.search(text)
        self._half_pair = half_pair[0] if half_pair else ""
        text = storable(text.removesuffix(self._half_pair))
        if text:
            self._said = self._said or not text.isspace()
            self._length += len(text)
            if self._length > _MAX_ANSWER:
                raise AnswerBroken(f"{self._failures.who} answered with more than {_MAX_ANSWER} characters")
            yield TextDelta(text)

    def _end(self) -> Iterator[Delta]:
        if self.ended:
            return
        who, reason = self._failures.who, self._finish_reason
        if reason in _BROKEN:
            raise AnswerBroken(f"{who} did not finish: {_BROKEN[reason]}")
        if not self._said:
            raise AnswerEmpty(f"{who} {_silence(reason)}")
        if reason is None:
            raise AnswerBroken(f"{who} broke off in the middle of the answer")
        self.ended = True
        yield End(reason)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part for part in content if isinstance(part, dict) and part.get("type", "text") in _TEXT_PARTS)
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _silence(finish_reason: str | None) -> str:
    if finish_reason in _TOOLS:
        return "answered with a call of a tool only, and this bridge has no tools"
    if finish_reason == "length":
        return "reached its length limit before it said anything"
    if finish_reason is None:
        return "ended without an answer, as some servers do when a conversation is too long"
    return "gave an empty answer"
