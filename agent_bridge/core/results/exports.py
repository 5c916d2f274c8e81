"""Results of the command ``export``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from agent_bridge.core.answers import AnswerFile


class ExportRefusal(StrEnum):
    """Why there is no file."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class ConversationExported:
    """The file follows."""

    #: Name of the agent.
    agent: str
    #: The number of messages in the file.
    messages: int
    file: AnswerFile


@dataclass(frozen=True, slots=True)
class ExportRefused:
    """There is no file."""

    reason: ExportRefusal
    agent: str
    #: Bytes that a file may have; for :attr:`ExportRefusal.TOO_LARGE`.
    limit: int = 0


ExportResult: TypeAlias = ConversationExported | ExportRefused
