"""Results of the functions about threads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.core.results.commands import RoomAddress


class ThreadProblem(StrEnum):
    """Why nothing is done to a thread."""

    NO_NAME = "no_name"
    #: The name has too many characters.
    LONG_NAME = "long_name"
    TOO_MANY = "too_many"
    #: The caller means no thread.
    WHICH = "which"
    #: The thread has no name yet.
    UNNAMED = "unnamed"
    #: The event is unknown, or cannot begin a thread.
    NO_ROOT = "no_root"
    #: Somebody else made it, and the caller does not moderate the room.
    NOT_YOURS = "not_yours"
    #: The caller may not make threads.
    NOT_PERMITTED = "not_permitted"
    #: Somebody wrote in it after the request to archive it.
    IN_USE = "in_use"
    #: The words are no part of the command.
    BAD_PAGE = "bad_page"


@dataclass(frozen=True, slots=True)
class ThreadRefused:
    """Nothing was changed."""

    problem: ThreadProblem
    most: int = 0


class ThreadChange(StrEnum):
    """The changes of a thread."""

    #: The bridge began it.
    MADE = "made"
    #: A thread that people began got its first name.
    NAMED = "named"
    RENAMED = "renamed"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class ThreadEntry:
    """A thread that has a name."""

    name: str
    room: RoomAddress
    #: Its first event; None: it is being sent.
    root: str | None
    #: User id; empty: erased.
    creator: str
    #: Of the newest message; of its name, if nobody has written in it since.
    used_at: datetime
    is_archived: bool


@dataclass(frozen=True, slots=True)
class ThreadChanged:
    """A thread was made or changed."""

    change: ThreadChange
    thread: ThreadEntry


@dataclass(frozen=True, slots=True)
class ThreadList:
    """The threads of a room that are archived, or are not, the last used first."""

    threads: tuple[ThreadEntry, ...]
    is_archive: bool
    page: int
    pages: int
    #: How many threads the other list has.
    others: int


ThreadResult: TypeAlias = ThreadRefused | ThreadChanged | ThreadList
