"""What the dialects of the API read out of an answer, before anything about the answer as a whole is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agent_bridge.upstream.base import FileDelta, ReasoningDelta, TextDelta, ToolCall, ToolResult
from agent_bridge.upstream.transport.error_body import Problem
from agent_bridge.upstream.transport.text import one_line, shorten, storable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters of a call's arguments, and of a result.
MAX_TOOL_TEXT = 10_000
_MAX_NAME = 200
_SCHEMES = ("data:", "http://", "https://")
_NO_NAME = "tool"


@dataclass(frozen=True, slots=True)
class Finish:
    """The agent has stopped speaking."""

    reason: str
    #: Whether nothing can follow.
    last: bool = True


Piece = TextDelta | ReasoningDelta | ToolCall | ToolResult | FileDelta | Finish | Problem


class Dialect(Protocol):
    """Reads the JSON values of one answer; what is missing or unknown in them says nothing.

    Texts come as they are: they may be empty, or end within a character.
    """

    def read(self, value: Any) -> Iterator[Piece]:
        """Yield what the next value of a stream says, or the one value of an answer that is not streamed."""

    def close(self) -> Iterator[Piece]:
        """Yield what was kept back until it was known what follows."""


def call(call_id: str, name: str, arguments: str) -> ToolCall:
    """Return a call that can be stored and shown."""
    name = shorten(one_line(name), _MAX_NAME)
    return ToolCall(_id(call_id), name or _NO_NAME, shorten(storable(arguments), MAX_TOOL_TEXT))


def result(call_id: str, output: str) -> ToolResult:
    """Return a result that can be stored and shown."""
    return ToolResult(_id(call_id), shorten(storable(output), MAX_TOOL_TEXT))


def file_at(url: Any, name: Any = None, content_type: Any = None) -> FileDelta | None:
    """Return the file at *url*, None when that is no link that a file can come from."""
    if not isinstance(url, str) or not url.lower().startswith(_SCHEMES):
        return None
    if url[:5].lower() == "data:":
        content_type = url[5:].partition(",")[0].partition(";")[0]
    return FileDelta(storable(url), _word(name), _word(content_type))


def _id(call_id: str) -> str:
    return shorten(one_line(call_id), _MAX_NAME)


def _word(value: Any) -> str | None:
    return shorten(one_line(value), _MAX_NAME) or None if isinstance(value, str) else None
