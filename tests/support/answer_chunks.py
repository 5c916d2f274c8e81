"""What a scripted agent does besides speaking, and how each of it travels in both dialects of the API."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A thought."""

    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A call of a tool; with a result it is the server that carries it out (told by ``/responses`` alone)."""

    name: str
    arguments: str = "{}"
    result: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file in the answer; without a name it travels as an image."""

    url: str
    name: str | None = None
    content_type: str | None = None


Spoken = str | Reasoning | Tool | File


def chat_chunks(piece: Spoken) -> list[dict[str, Any]]:
    """Return the chunks of a chat completion that say *piece*."""
    match piece:
        case str():
            delta: dict[str, Any] = {"content": piece}
        case Reasoning(text):
            delta = {"reasoning_content": text}
        case Tool(name, arguments):
            function = {"name": name, "arguments": arguments}
            delta = {"tool_calls": [{"index": 0, "id": _call_id(), "type": "function", "function": function}]}
        case File(url, None):
            delta = {"images": [{"type": "image_url", "image_url": {"url": url}}]}
        case File():
            delta = {"content": [{"type": "file", "file": _file(piece)}]}
    return [{"choices": [{"delta": delta, "finish_reason": None}]}]


def chat_end(last: Spoken | None) -> dict[str, Any]:
    """Return the chunk that ends a chat completion behind *last*."""
    reason = "tool_calls" if isinstance(last, Tool) and last.result is None else "stop"
    return {"choices": [{"delta": {}, "finish_reason": reason}]}


def response_events(piece: Spoken) -> list[dict[str, Any]]:
    """Return the events of a response that say *piece*."""
    match piece:
        case str():
            return [{"type": "response.output_text.delta", "delta": piece}]
        case Reasoning(text):
            return [{"type": "response.reasoning_summary_text.delta", "delta": text}]
        case Tool(name, arguments, result):
            call_id = _call_id()
            items: list[dict[str, Any]] = [
                {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
            ]
            if result is not None:
                items.append({"type": "function_call_output", "call_id": call_id, "output": result})
        case File(url, None):
            items = [{"type": "message", "content": [{"type": "output_image", "image_url": url}]}]
        case File():
            items = [{"type": "message", "content": [{"type": "output_file", **_file(piece)}]}]
    return [{"type": "response.output_item.done", "item": item} for item in items]


def response_end() -> dict[str, Any]:
    """Return the event that ends a response."""
    return {"type": "response.completed", "response": {"object": "response", "status": "completed", "output": []}}


def _call_id() -> str:
    return f"call_{next(_numbers)}"


def _file(piece: File) -> dict[str, Any]:
    return {"file_url": piece.url, "filename": piece.name, "mime_type": piece.content_type}
