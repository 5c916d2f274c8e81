"""The dialect of ``/chat/completions``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.answer import ReasoningDelta, TextDelta, ToolCall
from agent_bridge.upstream.openai.answer_reader import TOOL_REASONS
from agent_bridge.upstream.openai.content import as_list, image_url, plain_text, read_content, read_files
from agent_bridge.upstream.openai.dialect import MAX_TOOL_TEXT, Finish, RunName, tool_call
from agent_bridge.upstream.openai.think_tags import ThinkTagSplitter
from agent_bridge.upstream.transport.error_body import parse_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.openai.dialect import Piece

PATH = "/chat/completions"
#: Keys of the reasoning, best first. A server that uses several of them sends the same text in each.
_REASONING_KEYS = ("reasoning_content", "reasoning")
#: Tool calls whose arguments are collected at the same time.
_MAX_CALLS = 100


def request(model: str, messages: Sequence[ChatMessage], system_prompt: str | None) -> dict[str, Any]:
    """Return the body of a question."""
    contents = [{"role": message.role, "content": _content(message)} for message in messages]
    system = [{"role": "system", "content": system_prompt}] if system_prompt else []
    return {"model": model, "messages": [*system, *contents], "stream": True}


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
        self._splitter = ThinkTagSplitter()
        self._calls: list[_PartialCall] = []
        self._call_count = 0

    def read(self, value: Any) -> Iterator[Piece]:
        """See :class:`~agent_bridge.upstream.openai.dialect.Dialect`."""
        if not isinstance(value, dict):
            return
        if value.get("error") or value.get("object") == "error":
            yield parse_error(value)
            return
        choice = next(iter(as_list(value.get("choices"))), None)
        if not isinstance(choice, dict):
            return
        yield from self._run.read(value.get("id"))
        message = choice["delta"] if isinstance(choice.get("delta"), dict) else choice.get("message")
        if isinstance(message, dict):
            yield from self._read_message(message)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            yield from self._complete_calls()
            # A server with agents may continue after a tool call, because it runs the tool itself.
            yield Finish(reason, last=reason not in TOOL_REASONS)

    def close(self) -> Iterator[Piece]:
        """See :class:`~agent_bridge.upstream.openai.dialect.Dialect`. An unfinished tool call is dropped."""
        yield from self._splitter.close()

    def _read_message(self, message: Mapping[str, Any]) -> Iterator[Piece]:
        if reasoning := _reasoning(message):
            yield ReasoningDelta(reasoning)
        for piece in read_content(message.get("content") or message.get("refusal")):
            yield from self._complete_calls()
            if isinstance(piece, TextDelta):
                yield from self._splitter.feed(piece.text)
            else:
                yield piece
        yield from read_files(message.get("images"))
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
        if not known or (isinstance(call_id, str) and call_id not in {"", known[-1].call_id}):
            self._call_count += 1
            has_id = isinstance(call_id, str) and bool(call_id)
            known = [_PartialCall(index, str(call_id) if has_id else f"call-{self._call_count}")]
            self._calls += known
        if isinstance(function, dict):
            name, arguments = function.get("name"), function.get("arguments")
            if isinstance(name, str):
                known[-1].name = known[-1].name or name
            if isinstance(arguments, str) and len(known[-1].arguments) <= MAX_TOOL_TEXT:
                known[-1].arguments += arguments

    def _complete_calls(self) -> Iterator[ToolCall]:
        """Yield the collected calls: the next piece of the answer shows that they are complete."""
        calls, self._calls = self._calls, []
        for call in calls:
            if call.name:
                yield tool_call(call.call_id, call.name, call.arguments)


def _reasoning(message: Mapping[str, Any]) -> str:
    texts = [message[key] for key in _REASONING_KEYS if isinstance(message.get(key), str)]
    details = (detail for detail in as_list(message.get("reasoning_details")) if isinstance(detail, dict))
    texts.append("".join(plain_text(detail.get("text") or detail.get("summary")) for detail in details))
    return next(filter(None, texts), "")
