"""The dialect of ``/responses``: its requests, and what its events and responses say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.base import ReasoningDelta, TextDelta, ToolCall, ToolResult
from agent_bridge.upstream.openai.items import is_left, read_item
from agent_bridge.upstream.openai.parts import as_list, image_url, plain_text, read_content
from agent_bridge.upstream.openai.pieces import Finish
from agent_bridge.upstream.transport.error_body import problem_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.openai.pieces import Piece

    _Kind = type[TextDelta | ReasoningDelta]

PATH = "/responses"
_TEXT = ("response.output_text.delta", "response.refusal.delta")
_REASONING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
#: Events behind which reasoning goes on in another paragraph.
_THOUGHT = ("response.reasoning_summary_text.done", "response.reasoning_text.done")
_ITEM_DONE = "response.output_item.done"
_OVER = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
#: Finish reasons of the chat API for ``incomplete_details.reason``.
_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}
_PARAGRAPH = "\n\n"
#: What the items with text are made of.
_KINDS: dict[str, _Kind] = {"message": TextDelta, "reasoning": ReasoningDelta}


def request(model: str, messages: Sequence[ChatMessage], system_prompt: str | None) -> dict[str, Any]:
    """Return the body of a question that the server keeps no record of."""
    # The type is optional in the API; Letta looks at nothing without it.
    said = [{"type": "message", "role": message.role, "content": _content(message)} for message in messages]
    instructions = {"instructions": system_prompt} if system_prompt else {}
    return {"model": model, "input": said, **instructions, "stream": True, "store": False}


def _content(message: ChatMessage) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    text = [{"type": "input_text", "text": message.content}] if message.content else []
    return [*text, *({"type": "input_image", "image_url": image_url(image)} for image in message.images)]


class ResponsesDialect:
    """Reads the events of a stream, and ``response`` where there is none.

    The text of a stream comes in deltas, again in the item that they make up, and once more in the response.
    Servers leave out one or the other, so each is looked at when those before it brought nothing.
    """

    def __init__(self) -> None:
        #: What came as deltas for the item at hand, and what came at all.
        self._heard: set[_Kind] = set()
        self._ever_heard: set[_Kind] = set()
        #: What goes on in another paragraph.
        self._paused: set[_Kind] = set()
        #: Calls and results that were told.
        self._told: set[ToolCall | ToolResult] = set()
        #: Ids of the calls that are left to whoever asked.
        self._left: set[str] = set()

    def read(self, value: Any) -> Iterator[Piece]:
        """See :class:`~agent_bridge.upstream.openai.pieces.Dialect`."""
        if not isinstance(value, dict):
            return
        kind, item, response = value.get("type"), value.get("item"), value.get("response")
        if kind == "error" or value.get("error"):
            yield problem_of(value)
        elif kind in _TEXT:
            yield from self._speak(TextDelta(_text(value.get("delta"))))
        elif kind in _REASONING:
            yield from self._speak(ReasoningDelta(_text(value.get("delta"))))
        elif kind in _THOUGHT:
            self._pause(ReasoningDelta)
        elif kind == _ITEM_DONE and isinstance(item, dict):
            yield from self._item(item, self._heard)
        elif kind in _OVER and isinstance(response, dict):
            yield from self._response(response)
        elif value.get("object") == "response":
            yield from self._response(value)

    def close(self) -> Iterator[Piece]:
        """See :class:`~agent_bridge.upstream.openai.pieces.Dialect`. Nothing is kept back."""
        yield from ()

    def _speak(self, piece: TextDelta | ReasoningDelta) -> Iterator[Piece]:
        if not piece.text:
            return
        kind = type(piece)
        if kind in self._paused:
            self._paused.remove(kind)
            yield replace(piece, text=_PARAGRAPH)
        self._heard.add(kind)
        self._ever_heard.add(kind)
        yield piece

    def _pause(self, kind: _Kind) -> None:
        if kind in self._ever_heard:
            self._paused.add(kind)

    def _item(self, item: Mapping[str, Any], heard: Collection[_Kind]) -> Iterator[Piece]:
        """Yield what *item*, which is done, says beyond what was *heard* of it."""
        for piece in _read(item):
            if isinstance(piece, TextDelta | ReasoningDelta):
                if type(piece) not in heard:
                    yield from self._speak(piece)
            elif isinstance(piece, ToolCall | ToolResult):
                if piece not in self._told:
                    self._told.add(piece)
                    yield piece
                (self._left.add if is_left(item) else self._left.discard)(piece.call_id)
            else:
                yield piece
        if kind := _KINDS.get(_text(item.get("type"))):
            self._heard.discard(kind)
            self._pause(kind)

    def _response(self, response: Mapping[str, Any]) -> Iterator[Piece]:
        heard = frozenset(self._ever_heard)
        for item in as_list(response.get("output")):
            if isinstance(item, dict):
                yield from self._item(item, heard)
        if response.get("error"):
            yield problem_of(response["error"])
            return
        yield Finish(self._reason(response))

    def _reason(self, response: Mapping[str, Any]) -> str:
        details = response.get("incomplete_details")
        match response.get("status"):
            case "completed":
                return "tool_calls" if self._left else "stop"
            case "incomplete" if isinstance(details, dict):
                return _INCOMPLETE.get(_text(details.get("reason")), "abort")
            case "failed":
                return "error"
        return "abort"


def _read(item: Mapping[str, Any]) -> Iterator[Piece]:
    match item.get("type"):
        case "message":
            yield from read_content(item.get("content"))
        case "reasoning":
            summaries = [plain_text([part]) for part in as_list(item.get("summary"))]
            yield ReasoningDelta(_PARAGRAPH.join(summaries) or plain_text(item.get("content")))
        case _:
            yield from read_item(item)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
