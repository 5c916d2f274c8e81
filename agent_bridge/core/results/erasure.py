"""The result of the erasure of a person's data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The kinds of data, in the order of a report.
KINDS = (
    "chats",
    "direct_chats",
    "messages",
    "heard",
    "saved",
    "spaces",
    "choices",
    "instructions",
    "triggers",
    "schedules",
    "tokens",
    "tasks",
    "notifications",
    "feed",
    "usage",
    "dead_letters",
)


@dataclass(frozen=True, slots=True)
class KeptConversation:
    """A conversation on an upstream that may have words of the person."""

    upstream: str
    #: Name of the agent.
    agent: str
    #: Id on the upstream; None: it is not known, or the agent has one memory for all.
    conversation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReport:
    """The result of an erasure, or the progress of one that goes on."""

    #: The person.
    user: str
    #: Numbers of rows that are deleted (or would be, see *is_dry*), by the names in :data:`KINDS`.
    counts: Mapping[str, int]
    #: Conversations that the bridge cannot delete.
    kept: tuple[KeptConversation, ...] = ()
    #: Own rooms that the homeserver did not let the bridge leave.
    rooms: tuple[str, ...] = ()
    #: Messages that are still being answered, together with those of other people.
    open: int = 0
    #: Steps that are done, and all steps.
    done: int = 0
    total: int = 0
    #: Whether nothing was deleted.
    is_dry: bool = False
    is_finished: bool = True
    #: Why it ended before its end; empty: it did not.
    error: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left."""
        return self.is_finished and not (self.kept or self.rooms or self.open or self.error)


class ErasureRefusal(StrEnum):
    """Why a person is not asked whether the own data are to be erased."""

    #: The command was given in a chat that would be deleted, with its answer.
    OWN_CHAT = "own_chat"
    #: The person was erased a short time ago.
    TOO_SOON = "too_soon"


@dataclass(frozen=True, slots=True)
class ErasureAsked:
    """The data of the caller are erased if the caller confirms it."""

    user: str


@dataclass(frozen=True, slots=True)
class ErasureRefused:
    """Nothing is erased."""

    reason: ErasureRefusal
    #: Seconds until it is possible; for :attr:`ErasureRefusal.TOO_SOON`.
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ErasureBegun:
    """The erasure is requested; its progress appears in the same message."""

    user: str


ErasureResult: TypeAlias = ErasureAsked | ErasureBegun | ErasureRefused
