"""Threads with names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

#: Characters of the name of a thread.
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A thread that has a name: the desired text of the event that shows it beside the text that was sent."""

    #: Row id.
    id: int
    #: Key of the request that made it, from which the event that shows the name derives.
    key: str
    #: The room of its events; another one than that of today after an upgrade.
    room_id: str
    #: Its first event; None: the bridge sends that with the name.
    root: str | None
    #: The event of the bridge that shows the name; None before it is sent.
    title_event: str | None
    name: str
    #: User id; empty: erased.
    creator: str
    #: None: it is not archived.
    archived_at: datetime | None
    #: Time of the newest message, or of the command about it, by the homeserver's clock; None: unknown.
    said_at: datetime | None
    created_at: datetime
    #: Event behind which the event with the name stands; empty: unknown.
    since: str
    #: Localpart of the ghost that speaks for the bridge in the room; None: the bot.
    voice: str | None
    #: How often the desired text changed, and the changes that the homeserver has, or refused.
    changes: int
    changes_applied: int

    @property
    def is_shown(self) -> bool:
        """Whether the room shows the name, or refused to."""
        return self.changes == self.changes_applied


@dataclass(frozen=True, slots=True)
class NewThread:
    """A thread that gets a name."""

    key: str
    room_id: str
    name: str
    creator: str
    #: Its first event; None: the bridge sends one.
    root: str | None = None
    #: The event that asks for it; empty: none does.
    since: str = ""


@dataclass(frozen=True, slots=True)
class AgentMessage:
    """A message of an agent in a room with archived threads."""

    room_id: str
    #: The first event of its thread; None: it ends the answer that *target* shows.
    root: str | None
    #: The event that it edits.
    target: str | None
    #: Milliseconds since 1970.
    said_at: int


@dataclass(slots=True)
class ArchivedRooms:
    """The rooms that have archived threads, as this process knows them."""

    #: Room ids.
    rooms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """A message in a thread that has a name."""

    room_id: str
    root: str
    #: Milliseconds since 1970.
    said_at: int
