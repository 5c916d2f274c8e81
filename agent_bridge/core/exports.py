"""Exports of conversations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class ExportFormat(StrEnum):
    """Formats of an exported conversation."""

    MARKDOWN = "md"
    JSON = "json"

    @property
    def content_type(self) -> str:
        """The media type of a file."""
        return "application/json" if self is ExportFormat.JSON else "text/markdown"


@dataclass(frozen=True, slots=True)
class ExportedMessage:
    """A message of a conversation."""

    #: ``user`` or ``assistant``.
    role: str
    #: User id of its author.
    author: str
    #: Name of its author.
    name: str
    #: When a person said it, when an answer was complete, or when the agent heard it.
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class ExportHead:
    """The facts about an exported conversation."""

    room_id: str
    #: Root of the thread; empty: the room itself.
    thread: str
    #: Name and user id of the agent.
    agent: str
    ghost: str
    at: datetime
