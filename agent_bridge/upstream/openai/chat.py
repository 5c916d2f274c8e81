"""The dialect of ``/chat/completions``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from agent_bridge.upstream.answer import FileDelta, ReasoningDelta, TextDelta, TextWithdrawn, ToolCall
from agent_bridge.upstream.openai.content import (
    as_list,
    image_url,
    plain_text,
    read_content,
    read_files,
    read_sources,
)
from agent_bridge.upstream.openai.dialect import Finish, RunName
from agent_bridge.upstream.transport.error_body import failure_in, is_failure, parse_error
from agent_bridge.upstream.transport.pieces import MAX_TOOL_TEXT, tool_call, tool_result
from agent_bridge.upstream.transport.text import json_text
from agent_bridge.upstream.transport.usage import read_usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.openai.dialect import Piece

PATH = "/chat/completions"
#: The wish for a report of the tokens, which comes at the end of the stream.
REPORT_USAGE: Final = {"stream_options": {"include_usage": True}}
#: Keys of the reasoning, best first. A server that uses several of them sends the same text in each.
_REASONING_KEYS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "reasoning_details")
#: Roles of messages with the result of a tool.
_TOOL_ROLES = ("tool", "function")
#: Keys of the finish reason, best first: the ``stop_reason`` of vLLM is a text of the model.
_FINISH_KEYS = ("finish_reason", "finishReason", "stop_reason", "done_reason")
#: The end of an answer in a value without choices.
_ENDS = ("done", "end", "stop", "finish", "finished", "complete", "completed", "message_stop", "message_end")
#: Values of servers that write the missing reason as a word.
_NO_REASONS = frozenset({"", "null", "none"})
#: Keys of the sources beside the choices, as Perplexity and xAI send them.
_SOURCE_KEYS = ("search_results", "citations")
#: Tool calls whose arguments are collected at the same time.
_MAX_CALLS = 100
#: Characters of an id or a name.
_MAX_NAME = 1_000


def request(
    model: str, messages: Sequence[ChatMessage], system_prompt: str | None, temperature: float | None = None
) -> dict[str, Any]:
    """Return the body of a question. :data:`REPORT_USAGE` may be added to it."""
    contents = [{"role": message.role, "content": _content(message)} for message in messages]
    system = [{"role": "system", "content": system_prompt}] if system_prompt else []
    options = {} if temperature is None else {"temperature": temperature}
    return {"model": model, "messages": [*system, *contents], **options, "stream": True}


def _content(message: ChatMessage) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    text = [{"type": "text", "text": message.content}] if message.content else []
    return [*text, *({"type": "image_url", "image_url": {"url": image_url(image)}} for image in message.images)]


@dataclass(slots=True)
class _PartialCall:
    """A tool call that is still arriving."""

    index: Any
    call_id: str
    name: str = ""
    arguments: str = ""


class ChatDialect:
    """Reads ``chat.completion.chunk`` and ``chat.completion``."""

    def __init__(self) -> None:
        self._run = RunName()
        self._calls: list[_PartialCall] = []
        self._call_count = 0
        #: The index of the choice that is read: the lowest one, and not each server begins with 0.
        self._index: int | None = None
        #: Whether deltas brought text: a whole message after them repeats it.
        self._has_deltas = False

    def read(self, value: Any) -> Iterator[Piece]:
        """See :class:`~agent_bridge.upstream.openai.dialect.Dialect`."""
        if not isinstance(value, dict):
            return
        if report := failure_in(value):
            yield report
            return
        if usage := read_usage(value.get("usage")):
            yield usage
        for key in _SOURCE_KEYS:
            yield from read_sources(value.get(key))
        choices = value.get("choices")
        choices = [
            each for each in as_list([choices] if isinstance(choices, dict) else choices) if isinstance(each, dict)
        ]
        if not choices:
            yield from self._read_end(value)
        for choice in choices:
            index = choice.get("index")
            index = index if isinstance(index, int) and index > 0 else 0
            if self._index is not None and index < self._index and _says_something(choice):
                yield TextWithdrawn()
                self._calls, self._has_deltas = [], False
                self._index = index
            if self._index in {None, index}:
                self._index = index
                yield from self._run.read(value.get("id"))
                yield from self._read_choice(choice)

    @staticmethod
    def _read_end(value: Mapping[str, Any]) -> Iterator[Finish]:
        """Yield the end of the answer if *value*, which has no choices, tells it."""
        yield from _finish(value, value.get("delta"))
        ends = value.get("type") in _ENDS or value.get("event") in _ENDS or any(value.get(key) is True for key in _ENDS)
        if ends or isinstance(value.get("usage"), dict):
            yield Finish(None)

    def _read_choice(self, choice: Mapping[str, Any]) -> Iterator[Piece]:
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict) and delta:
            yield from self._read_message(delta, is_delta=True)
        elif isinstance(message, dict):
            yield from self._read_message(message, is_delta=False)
        elif isinstance(text := delta or choice.get("text"), str):
            yield TextDelta(text)
        if is_failure(choice.get("error")):
            yield parse_error(choice["error"])
        for finish in _finish(choice, delta):
            yield from self._complete_calls()
            yield finish

    def _read_message(self, message: Mapping[str, Any], *, is_delta: bool) -> Iterator[Piece]:
        if message.get("role") in _TOOL_ROLES:
            yield from self._complete_calls()
            call_id = message.get("tool_call_id")
            yield tool_result(call_id if isinstance(call_id, str) else "", plain_text(message.get("content")))
            return
        repeated = self._has_deltas and not is_delta
        if not repeated and (reasoning := _reasoning(message)):
            yield ReasoningDelta(reasoning)
        audio = message.get("audio")
        transcript = audio.get("transcript") if isinstance(audio, dict) else None
        for piece in read_content(
            message.get("content") or message.get("text") or message.get("refusal") or transcript
        ):
            yield from self._complete_calls()
            if repeated and not isinstance(piece, FileDelta):
                continue
            self._has_deltas |= is_delta and isinstance(piece, TextDelta) and bool(piece.text)
            yield piece
        yield from read_files(message.get("images"))
        yield from read_sources(message.get("annotations"))
        for part in as_list(message.get("tool_calls")):
            if isinstance(part, dict):
                self._extend_call(part)
            if len(self._calls) > _MAX_CALLS:
                yield from self._complete_calls()

    def _extend_call(self, part: Mapping[str, Any]) -> None:
        """Add *part* to the call that it belongs to.

        Parts of one call have the same index. Some servers send no index, or the same one for all calls: then a new id
        begins a new call.
        """
        index, call_id, function = part.get("index"), part.get("id"), part.get("function")
        known = [call for call in self._calls if call.index == index]
        if not known or (isinstance(call_id, str) and call_id[:_MAX_NAME] not in {"", known[-1].call_id}):
            self._call_count += 1
            has_id = isinstance(call_id, str) and bool(call_id)
            known = [_PartialCall(index, str(call_id)[:_MAX_NAME] if has_id else f"call-{self._call_count}")]
            self._calls += known
        if isinstance(function, dict):
            name, arguments = function.get("name"), function.get("arguments")
            if isinstance(name, str):
                known[-1].name = known[-1].name or name[:_MAX_NAME]
            if isinstance(arguments, dict | list):
                arguments = json_text(arguments)
            if isinstance(arguments, str) and len(known[-1].arguments) <= MAX_TOOL_TEXT:
                known[-1].arguments += arguments[: MAX_TOOL_TEXT + 1]

    def _complete_calls(self) -> Iterator[ToolCall]:
        """Yield the collected calls: the next piece of the answer shows that they are complete."""
        calls, self._calls = self._calls, []
        for call in calls:
            if call.name:
                yield tool_call(call.call_id, call.name, call.arguments)


def _finish(*values: Any) -> list[Finish]:
    """Return the first finish reason in *values*; nothing without one."""
    reasons = (value.get(key) for value in values if isinstance(value, dict) for key in _FINISH_KEYS)
    found = (each for each in reasons if isinstance(each, str) and each.strip().lower() not in _NO_REASONS)
    return [Finish(reason) for reason in islice(found, 1)]


def _says_something(choice: Mapping[str, Any]) -> bool:
    message = choice.get("delta") or choice.get("message")
    return bool(plain_text(message.get("content"))) if isinstance(message, dict) else False


def _reasoning(message: Mapping[str, Any]) -> str:
    for key in _REASONING_KEYS:
        value = message.get(key)
        if text := "".join(map(plain_text, value)) if isinstance(value, list) else plain_text(value):
            return text
    return ""
