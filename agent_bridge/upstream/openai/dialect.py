"""The interface of a dialect: one of the formats in which the OpenAI API sends an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agent_bridge.core.usage import Usage
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
from agent_bridge.upstream.transport.pieces import short_line

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Finish:
    """The agent has stopped, at least for this step."""

    #: The server's word for the reason; None if something else shows that the answer is complete.
    reason: str | None
    #: Whether nothing can follow.
    last: bool = False
    #: Whether the answer goes on in another response, after a person's decision.
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """Links to the sources of the answer."""

    #: URLs (``http:`` or ``https:``) with titles, which may be empty.
    links: tuple[tuple[str, str], ...]


#: The possible parts of a JSON value of an answer. A later :class:`Usage` corrects the former.
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
    | Usage
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
        if not self._known and isinstance(ref, str) and (ref := short_line(ref)):
            self._known = True
            yield RunStarted(ref)
