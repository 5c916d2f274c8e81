"""Output items of the Responses API: what an agent does besides speaking, as calls of tools, results and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.openai.parts import data_url, plain_text, read_files
from agent_bridge.upstream.openai.pieces import call, file_at, result
from agent_bridge.upstream.transport.text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent_bridge.upstream.openai.pieces import Piece

#: What a tool is called with, by the kind of tool; the whole of the first that is there.
_ARGUMENTS = ("arguments", "input", "action", "queries", "code")
#: What a tool that the server carries out tells about its end.
_RESULTS = ("output", "error", "outputs", "results")
#: What is told of one result in a list of them, best first.
_LINES = ("logs", "text", "filename", "url")
_OURS = ("function_call", "custom_tool_call")


def read_item(item: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield what an item that is no message and no reasoning tells, when it is done."""
    kind, own_id = _text(item.get("type")), _text(item.get("id"))
    call_id = _text(item.get("call_id")) or own_id
    if kind == "image_generation_call":
        image = item.get("result")
        content_type = f"image/{_text(item.get('output_format')) or 'png'}"
        if isinstance(image, str) and (found := file_at(data_url(image, content_type))):
            yield found
    elif kind.endswith("_call_output"):
        yield result(call_id, _output(item.get("output")))
    elif kind.endswith("_call"):
        yield call(call_id, _text(item.get("name")) or kind.removesuffix("_call"), _arguments(item))
        if not is_left(item):
            yield result(call_id, _result(item))
            yield from read_files(item.get("outputs"))


def is_left(item: Mapping[str, Any]) -> bool:
    """Tell whether *item* is a call without its result, which is left to whoever asked or comes as another item."""
    return item.get("type") in _OURS


def _arguments(item: Mapping[str, Any]) -> str:
    found = next((item[key] for key in _ARGUMENTS if item.get(key)), "")
    return found if isinstance(found, str) else json_text(found)


def _result(item: Mapping[str, Any]) -> str:
    outputs = (_output(item.get(key)) for key in _RESULTS)
    return next(filter(None, outputs), "") or _text(item.get("status"))


def _output(value: Any) -> str:
    """Return the text of an output: one text, a list of parts, or anything else as JSON."""
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        lines = (next((one[key] for key in _LINES if isinstance(one.get(key), str)), "") for one in value)
        return plain_text(value) or "\n".join(filter(None, lines))
    return value if isinstance(value, str) else json_text(value) if value else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
