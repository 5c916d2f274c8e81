"""The dialect of ``/chat/completions``: its requests, and what its chunks and completions say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.base import ReasoningDelta, TextDelta, ToolCall
from agent_bridge.upstream.openai.answer import TOOLS
from agent_bridge.upstream.openai.parts import as_list, image_url, plain_text, read_content, read_files
from agent_bridge.upstream.openai.pieces import MAX_TOOL_TEXT, Finish, call
from agent_bridge.upstream.openai.think import ThinkSplitter
from agent_bridge.upstream.transport.error_body import problem_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.openai.pieces import Piece

PATH = "/chat/completions"
#: Where reasoning is, best first: servers that use several say the same in each.
_REASONING = ("reasoning_content", "reasoning")
#: Calls whose arguments are collected at the same time.
_MAX_CALLS = 100


def request(model: str, messages: Sequence[ChatMessage], system_prompt: str | None) -> dict[str, Any]:
    """Return the body of a question."""
    said = [{"role": message.role, "content": _content(message)} for message in messages]
    system = [{"role": "system", "content": system_prompt}] if system_prompt else []
    return {"model": model, "messages": [*system, *said], "stream": True}


def _content(message: ChatMessage) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    text = [{"type": "text", "text": message.content}] if message.content else []
    return [*text, *({"type": "image_url", "image_url": {"url": image_url(image)}} for image in message.images)]


@dataclass(slots=True)
class _Call:
    """A call of a tool, as far as it is known."""

    index: Any
    call_id: str
    name: str = ""
    arguments: str = ""


class ChatDialect:
    """Reads ``chat.completion.chunk`` and ``chat.completion``."""

    def __init__(self) -> None:
        self._text = ThinkSplitter()
        self._calls: list[_Call] = []
        self._count = 0

    def read(self, value: Any) -> Iterator[Piece]:
        """See :class:`~agent_bridge.upstream.openai.pieces.Dialect`."""
        if not isinstance(value, dict):
            return
        if value.get("error") or value.get("object") == "error":
            yield problem_of(value)
            return
        choice = next(iter(as_list(value.get("choices"))), None)
        if not isinstance(choice, dict):
            return
        said = choice["delta"] if isinstance(choice.get("delta"), dict) else choice.get("message")
        if isinstance(said, dict):
            yield from self._message(said)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            yield from self._whole_calls()
            # An agent's server may go on behind a call of a tool: it has called the tool itself.
            yield Finish(reason, last=reason not in TOOLS)

    def close(self) -> Iterator[Piece]:
        """See :class:`~agent_bridge.upstream.openai.pieces.Dialect`. A call that nothing ended may not be whole."""
        yield from self._text.close()

    def _message(self, said: Mapping[str, Any]) -> Iterator[Piece]:
        if thought := _reasoning(said):
            yield ReasoningDelta(thought)
        for piece in read_content(said.get("content") or said.get("refusal")):
            yield from self._whole_calls()
            if isinstance(piece, TextDelta):
                yield from self._text.feed(piece.text)
            else:
                yield piece
        yield from read_files(said.get("images"))
        for part in as_list(said.get("tool_calls")):
            if isinstance(part, dict):
                self._extend(part)
        if len(self._calls) > _MAX_CALLS:
            yield from self._whole_calls()

    def _extend(self, part: Mapping[str, Any]) -> None:
        """Add *part* to the call that it belongs to.

        Parts of one call have the same index. Some servers have none, or the same for all calls: there a new id
        begins a new call.
        """
        index, call_id, function = part.get("index"), part.get("id"), part.get("function")
        known = [one for one in self._calls if one.index == index]
        if not known or (isinstance(call_id, str) and call_id not in {"", known[-1].call_id}):
            self._count += 1
            known = [_Call(index, call_id if isinstance(call_id, str) and call_id else f"call-{self._count}")]
            self._calls += known
        if isinstance(function, dict):
            name, arguments = function.get("name"), function.get("arguments")
            if isinstance(name, str):
                known[-1].name = known[-1].name or name
            if isinstance(arguments, str) and len(known[-1].arguments) <= MAX_TOOL_TEXT:
                known[-1].arguments += arguments

    def _whole_calls(self) -> Iterator[ToolCall]:
        calls, self._calls = self._calls, []
        for one in filter(lambda one: one.name, calls):
            yield call(one.call_id, one.name, one.arguments)


def _reasoning(said: Mapping[str, Any]) -> str:
    texts = [said[key] for key in _REASONING if isinstance(said.get(key), str)]
    details = (detail for detail in as_list(said.get("reasoning_details")) if isinstance(detail, dict))
    texts.append("".join(plain_text(detail.get("text") or detail.get("summary")) for detail in details))
    return next(filter(None, texts), "")
