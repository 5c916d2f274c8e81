"""The feed: the events that programs subscribe to, each with a position that never changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Characters of an epoch.
EPOCH: Final = 8
_CURSOR: Final = re.compile(rf"([0-9a-f]{{{EPOCH}}})-([0-9]{{1,19}})")


class FeedType(StrEnum):
    """The kind of an entry. Those of channels, tasks, votes and notifications come from rows, and not from events."""

    MESSAGE = "message"
    EDIT = "edit"
    REDACTION = "redaction"
    REACTION = "reaction"
    INVITE = "invite"
    JOIN = "join"
    LEAVE = "leave"
    CHANNEL_CREATED = "channel_created"
    CHANNEL_CHANGED = "channel_changed"
    CHANNEL_DELETED = "channel_deleted"
    TASK = "task"
    VOTE = "vote"
    NOTIFICATION = "notification"


#: Types of entries about channels.
CHANNEL_TYPES: Final = frozenset({FeedType.CHANNEL_CREATED, FeedType.CHANNEL_CHANGED, FeedType.CHANNEL_DELETED})


@dataclass(slots=True)
class FeedSwitch:
    """Whether this process writes the feed: a program may subscribe."""

    is_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """An entry to be written."""

    type: FeedType
    #: None: it is about no room.
    room_id: str | None
    #: None: it is no event of a room. An event has one entry.
    event_id: str | None = None
    #: User id that sent it; empty: the bridge.
    sender: str = ""
    #: The user whom it concerns: the member of a membership, and the only reader of a notification.
    user_id: str | None = None
    #: The event that it edits, redacts or reacts to; of a task the card, of a vote the poll, as far as they are shown.
    target: str | None = None
    #: Root of its thread; empty: the room itself.
    thread: str = ""
    #: An object of JSON.
    content: str = "{}"
    #: Milliseconds since 1970.
    sent_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry(NewEntry):
    """An entry of the feed."""

    position: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the feed: behind the entry with *position*. Another database has another *epoch*."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.position}"


def parse_cursor(text: str) -> Cursor | None:
    """Return the cursor that *text* is, None if it is none."""
    found = _CURSOR.fullmatch(text)
    return None if found is None else Cursor(found[1], int(found[2]))


class LiveType(StrEnum):
    """The kind of a live event."""

    TYPING = "typing"
    PRESENCE = "presence"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """A typing notification or a presence. It has no position, and whoever is not connected misses it."""

    type: LiveType
    #: The room in which users type.
    room_id: str | None = None
    #: The users who type now.
    typing: tuple[str, ...] = ()
    #: The user whose presence it is.
    user_id: str | None = None
    #: ``online``, ``unavailable`` or ``offline``.
    presence: str = ""
    status: str = ""
