"""The interface of a dialect: one of the formats in which the OpenAI API sends an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agent_bridge.upstream.answer import (
    FileDelta,
    ReasoningDelta,
    RunStarted,
    TextDelta,
    TextWithdrawn,
    ToolCall,
    ToolResult,
)
from agent_bridge.upstream.transport.error_body import ErrorReport
from agent_bridge.upstream.transport.text import one_line, shorten, storable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters of a tool's arguments, and of its output.
MAX_TOOL_TEXT = 10_000
_MAX_NAME = 200
_SCHEMES = ("data:", "http://", "https://")
_UNNAMED_TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Finish:
    """The agent has stopped, at least for this step."""

    #: The server's word for the reason; None if something else shows that the answer is complete.
    reason: str | None
    #: Whether nothing can follow.
    last: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """Links to the sources of the answer."""

    #: URLs (``http:`` or ``https:``) with titles, which may be empty.
    links: tuple[tuple[str, str], ...]


#: The possible parts of a JSON value of an answer.
Piece = (
    RunStarted
    | TextDelta
    | TextWithdrawn
    | ReasoningDelta
    | ToolCall
    | ToolResult
    | FileDelta
    | Finish
    | Sources
    | ErrorReport
)


class Dialect(Protocol):
    """Reads the JSON values of one answer. Missing and unknown fields are ignored.

    Texts are passed on unchanged: they may be empty, or end within a character.
    """

    def read(self, value: Any) -> Iterator[Piece]:
        """Yield the pieces in the next value of a stream, or in the only value of an answer without a stream."""


class RunName:
    """The reference of the run, which every value of a stream may repeat."""

    def __init__(self) -> None:
        self._known = False

    def read(self, ref: Any) -> Iterator[RunStarted]:
        """Yield the start of the run when *ref* is the first reference."""
        if not self._known and isinstance(ref, str) and (ref := _short_line(ref)):
            self._known = True
            yield RunStarted(ref)


def tool_call(call_id: str, name: str, arguments: str) -> ToolCall:
    """Return a call that can be stored and shown."""
    arguments = shorten(storable(arguments[: 2 * MAX_TOOL_TEXT]), MAX_TOOL_TEXT)
    return ToolCall(_short_line(call_id), _short_line(name) or _UNNAMED_TOOL, arguments)


def tool_result(call_id: str, output: str) -> ToolResult:
    """Return a result that can be stored and shown."""
    return ToolResult(_short_line(call_id), shorten(storable(output[: 2 * MAX_TOOL_TEXT]), MAX_TOOL_TEXT))


def file_delta(url: Any, name: Any = None, content_type: Any = None) -> FileDelta | None:
    """Return the file at *url*, None if that is no URL of a file."""
    if not isinstance(url, str) or not url.lower().startswith(_SCHEMES):
        return None
    if url[:5].lower() == "data:":
        content_type = url[5:].partition(",")[0].partition(";")[0]
    return FileDelta(storable(url), _optional_line(name), _optional_line(content_type))


def _short_line(text: str) -> str:
    return shorten(one_line(text[: 10 * _MAX_NAME]), _MAX_NAME)


def _optional_line(value: Any) -> str | None:
    return _short_line(value) or None if isinstance(value, str) else None
