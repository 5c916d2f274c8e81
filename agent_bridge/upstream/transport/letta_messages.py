"""Reads the messages of one turn of an agent of Letta into the events of an answer. Both of its protocols have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.answer import ReasoningDelta, TextDelta, TextWithdrawn
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.pieces import MAX_TOOL_TEXT, tool_call, tool_result
from agent_bridge.upstream.transport.text import json_text, storable
from agent_bridge.upstream.transport.usage import read_usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent_bridge.core.usage import Usage
    from agent_bridge.upstream.answer import ToolCall, ToolResult

_CALLS = frozenset({"tool_call_message", "approval_request_message"})
#: Stop reasons of a step that the server may write again.
FAILURES = frozenset({"error", "llm_api_error", "invalid_llm_response"})
#: Signs that a tool has begun to run.
RUNS = frozenset({"client_tool_start", "tool_return_message"})


@dataclass(slots=True)
class _Call:
    """A tool call whose arguments may arrive in pieces."""

    #: The id of its message.
    message_id: str
    name: str = ""
    arguments: str = ""


class DeltaReader:
    """Reads the messages of one turn, or their pieces, in their order, each once."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        #: The ids of the calls and of the results that were passed on, and of the message of each call.
        self._called: dict[str, str] = {}
        self._results: set[str] = set()
        #: The text of the steps that are complete, and of the one that is now written and may be written again.
        self._complete = self._step = ""
        self._message_id = ""
        #: Whether a tool has begun to run.
        self.tool_ran = False
        #: The words of the last error that the turn reported, empty without one.
        self.error = ""
        #: Whether any message reported tokens.
        self.has_usage = False

    def read(
        self, delta: Mapping[str, Any]
    ) -> Iterator[TextDelta | TextWithdrawn | ReasoningDelta | ToolCall | ToolResult | Usage]:
        """Yield the events in *delta*. Unknown kinds of messages are ignored."""
        kind = text(delta.get("message_type"))
        if kind in _CALLS:
            self._collect(delta)
            return
        yield from self._whole_calls()
        self.tool_ran = self.tool_ran or kind in RUNS
        match kind:
            case "assistant_message":
                yield from self._text(text(delta.get("id")), storable(plain(delta.get("content"))))
            case "reasoning_message":
                if words := storable(text(delta.get("reasoning"))):
                    yield ReasoningDelta(words)
            case "tool_return_message":
                yield from self._result(delta)
            case "usage_statistics" if (usage := read_usage(delta)) is not None:
                self.has_usage = True
                yield usage
            case "stop_reason" if delta.get("stop_reason") not in FAILURES:
                self._complete, self._step = self._complete + self._step, ""
            case "loop_error":
                self.error = text(delta.get("message"))
            case "retry":
                yield from self._again()

    def close(self) -> Iterator[ToolCall]:
        """Yield the events that are left at the end of the turn."""
        yield from self._whole_calls()

    def _text(self, message_id: str, words: str) -> Iterator[TextDelta]:
        if not words:
            return
        said = self._complete + self._step
        if message_id != self._message_id and said and not said.endswith("\n"):
            words = f"\n\n{words}"
        self._message_id = message_id
        self._step += words
        yield TextDelta(words)

    def _again(self) -> Iterator[TextDelta | TextWithdrawn]:
        """Take back the text of the present step: the server writes the step again."""
        if not self._step:
            return
        self._step = ""
        yield TextWithdrawn()
        if self._complete:
            yield TextDelta(self._complete)

    def _collect(self, delta: Mapping[str, Any]) -> None:
        for call in objects(delta.get("tool_calls")) or [dict(mapping(delta.get("tool_call")))]:
            call_id, message_id = text(call.get("tool_call_id")), text(delta.get("id"))
            if call_id in self._results and message_id != self._called.get(call_id):
                # A language model may use the id of an earlier call again.
                self._results.discard(call_id)
                self._called.pop(call_id, None)
            if not call_id or call_id in self._called:
                continue
            known = self._calls.setdefault(call_id, _Call(message_id))
            known.name = text(call.get("name")) or known.name
            room = 2 * MAX_TOOL_TEXT - len(known.arguments)
            known.arguments += text(call.get("arguments"))[: max(0, room)]

    def _whole_calls(self) -> Iterator[ToolCall]:
        for call_id, call in self._calls.items():
            yield tool_call(call_id, call.name, call.arguments)
        self._called |= {call_id: call.message_id for call_id, call in self._calls.items()}
        self._calls.clear()

    def _result(self, delta: Mapping[str, Any]) -> Iterator[ToolResult]:
        """Yield the results, of which a message may have several.

        The App Server sends each one twice, the first time with the whole output.
        """
        for result in objects(delta.get("tool_returns")) or [dict(delta)]:
            call_id = text(result.get("tool_call_id"))
            if call_id and call_id not in self._results:
                self._results.add(call_id)
                value = result.get("tool_return")
                yield tool_result(call_id, value if isinstance(value, str) else json_text(value))


def plain(content: Any) -> str:
    """Return the text of a message's content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(text(part.get("text")) for part in objects(content) if part.get("type") == "text")
