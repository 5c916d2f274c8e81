"""The output items of the Responses API other than messages and reasoning: tool calls, their results and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.openai.content import data_url, plain_text, read_files
from agent_bridge.upstream.transport.pieces import file_delta, tool_call, tool_result
from agent_bridge.upstream.transport.text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent_bridge.upstream.openai.dialect import Piece

#: Keys of a tool's arguments, which depend on the kind of tool. The first one that is not empty counts.
_ARGUMENT_KEYS = ("arguments", "input", "action", "queries", "code")
#: Keys of the output of a tool that the server ran. The first one that is not empty counts.
_RESULT_KEYS = ("output", "error", "outputs", "results")
#: Keys of the line that stands for one entry in a list of outputs, best first.
_LINE_KEYS = ("logs", "text", "filename", "url")
_CLIENT_CALLS = ("function_call", "custom_tool_call")


def read_item(item: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield the pieces of a completed item."""
    kind, own_id = _text(item.get("type")), _text(item.get("id"))
    call_id = _text(item.get("call_id")) or own_id
    if kind == "image_generation_call":
        image = item.get("result")
        content_type = f"image/{_text(item.get('output_format')) or 'png'}"
        if isinstance(image, str) and (found := file_delta(data_url(image, content_type))):
            yield found
    elif kind.endswith("_call_output"):
        yield tool_result(call_id, _output(item.get("output")))
    elif kind.endswith("_call"):
        yield tool_call(call_id, _text(item.get("name")) or kind.removesuffix("_call"), _arguments(item))
        if not is_client_call(item):
            yield tool_result(call_id, _result(item))
            yield from read_files(item.get("outputs"))


def is_client_call(item: Mapping[str, Any]) -> bool:
    """Tell whether *item* is a call without its result: the client runs the tool, or another item has the result."""
    return item.get("type") in _CLIENT_CALLS


def _arguments(item: Mapping[str, Any]) -> str:
    found = next((item[key] for key in _ARGUMENT_KEYS if item.get(key)), "")
    return found if isinstance(found, str) else json_text(found)


def _result(item: Mapping[str, Any]) -> str:
    outputs = (_output(item.get(key)) for key in _RESULT_KEYS)
    return next(filter(None, outputs), "") or _text(item.get("status"))


def _output(value: Any) -> str:
    """Return the text of an output: a text, a list of parts, or any other JSON value."""
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        lines = (next((entry[key] for key in _LINE_KEYS if isinstance(entry.get(key), str)), "") for entry in value)
        return plain_text(value) or "\n".join(filter(None, lines))
    return value if isinstance(value, str) else json_text(value) if value else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
