"""Makes the pieces of an answer that upstreams send as free text bounded and storable."""

from __future__ import annotations

from typing import Any

from agent_bridge.upstream.answer import FileDelta, ToolCall, ToolResult
from agent_bridge.upstream.transport.text import one_line, shorten, storable

#: Characters of a tool's arguments, and of its output.
MAX_TOOL_TEXT = 10_000
_MAX_NAME = 200
_SCHEMES = ("data:", "http://", "https://")
_UNNAMED_TOOL = "tool"


def tool_call(call_id: str, name: str, arguments: str) -> ToolCall:
    """Return a call that can be stored and shown."""
    if len(arguments) > MAX_TOOL_TEXT:
        # Both ends: people decide by them whether the tool may run.
        arguments = f"{arguments[: MAX_TOOL_TEXT // 2]}…{arguments[1 - MAX_TOOL_TEXT // 2 :]}"
    return ToolCall(short_line(call_id), short_line(name) or _UNNAMED_TOOL, storable(arguments))


def tool_result(call_id: str, output: str) -> ToolResult:
    """Return a result that can be stored and shown."""
    return ToolResult(short_line(call_id), shorten(storable(output[: 2 * MAX_TOOL_TEXT]), MAX_TOOL_TEXT))


def file_delta(url: Any, name: Any = None, content_type: Any = None) -> FileDelta | None:
    """Return the file at *url*, None if that is no URL of a file."""
    if not isinstance(url, str) or not url.lower().startswith(_SCHEMES):
        return None
    if url[:5].lower() == "data:":
        content_type = url[5:].partition(",")[0].partition(";")[0]
    return FileDelta(storable(url), _optional_line(name), _optional_line(content_type))


def short_line(text: str) -> str:
    """Return *text* on one line of at most 200 characters."""
    return shorten(one_line(text[: 10 * _MAX_NAME]), _MAX_NAME)


def _optional_line(value: Any) -> str | None:
    return short_line(value) or None if isinstance(value, str) else None
