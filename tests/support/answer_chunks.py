"""The pieces of a scripted answer, and their JSON in both dialects of the OpenAI API."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agent_bridge.demo.agents.openai_server import ChatFormat, Picture, Reasoning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Tool:
    """A call of a tool. With a result, the server runs the tool, which only ``/responses`` shows."""

    name: str
    arguments: str = "{}"
    result: str | None = None
    #: None: a new id.
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file in the answer. Without a name it is sent as an image."""

    url: str
    name: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An output item of ``/responses``, as it is."""

    value: Mapping[str, Any]


Spoken = str | Reasoning | Tool | File | Item


class ScriptedChatFormat(ChatFormat):
    """A chat completion with tool calls and files."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        #: The report of tokens at the end; None: there is none.
        self.usage: Mapping[str, Any] | None = None

    def end(self) -> dict[str, Any]:
        """Return the last chunk, with the report."""
        return super().end() | ({} if self.usage is None else {"usage": self.usage})

    def delta(self, piece: object) -> dict[str, Any]:
        """Return the ``delta`` of the chunk for *piece*."""
        self.finish_reason = "stop"
        match piece:
            case Tool(name, arguments, result):
                self.finish_reason = "tool_calls" if result is None else "stop"
                function = {"name": name, "arguments": arguments}
                return {"tool_calls": [{"index": 0, "id": _call_id(piece), "type": "function", "function": function}]}
            case File(url, None):
                return super().delta(Picture(url))
            case File():
                return {"content": [{"type": "file", "file": _file(piece)}]}
        return super().delta(piece)


class ResponsesFormat:
    """A response of ``/responses``."""

    def __init__(self, *, store: bool | None = None) -> None:
        self.id = f"resp_{uuid4().hex}"
        #: What the server says about keeping the response; None: nothing.
        self._store = {} if store is None else {"store": store}

    def begin(self) -> dict[str, Any]:
        """Return the event that names the response."""
        return {"type": "response.created", "response": self._response("in_progress")}

    def events(self, piece: object) -> list[dict[str, Any]]:
        """Return the events for *piece*."""
        match piece:
            case str():
                return [{"type": "response.output_text.delta", "delta": piece}]
            case Reasoning(text):
                return [{"type": "response.reasoning_summary_text.delta", "delta": text}]
        return [{"type": "response.output_item.done", "item": item} for item in _items(piece)]

    def end(self) -> dict[str, Any]:
        """Return the event that ends the response."""
        return {"type": "response.completed", "response": self._response("completed")}

    def whole(self, pieces: Sequence[object]) -> dict[str, Any]:
        """Return the response that contains *pieces*."""
        items = [item for piece in pieces for item in _items(piece)]
        return self._response("completed") | {"output": items}

    def _response(self, status: str) -> dict[str, Any]:
        return {"id": self.id, "object": "response", "status": status, "output": [], **self._store}


def _items(piece: object) -> list[dict[str, Any]]:
    """Return *piece* as output items."""
    match piece:
        case str():
            return [{"type": "message", "content": [{"type": "output_text", "text": piece}]}]
        case Reasoning(text):
            return [{"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}]
        case Tool(name, arguments, result):
            call_id = _call_id(piece)
            call = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
            output = {"type": "function_call_output", "call_id": call_id, "output": result}
            return [call] if result is None else [call, output]
        case Item(value):
            return [dict(value)]
        case File(url, None):
            return [{"type": "message", "content": [{"type": "output_image", "image_url": url}]}]
        case File():
            return [{"type": "message", "content": [{"type": "output_file", **_file(piece)}]}]
    raise TypeError(f"not a piece of an answer: {piece!r}")


def _call_id(call: Tool) -> str:
    return call.call_id or f"call_{next(_numbers)}"


def _file(piece: File) -> dict[str, Any]:
    return {"file_url": piece.url, "filename": piece.name, "mime_type": piece.content_type}
