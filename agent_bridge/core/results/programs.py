"""Results of the functions that programs call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMessage:
    """A message as a program reads it."""

    event_id: str
    room_id: str
    #: User id of the one who says it.
    sender: str
    is_agent: bool
    sent_at: datetime
    text: str
    #: ``m.text``, ``m.notice``, ``m.image`` and so on.
    kind: str
    #: HTML; None without.
    html: str | None = None
    thread: str | None = None
    reply_to: str | None = None
    #: ``mxc://`` URL of a file; if it is encrypted, the ``EncryptedFile`` of the spec that opens it.
    url: str | None = None
    file: Mapping[str, Any] | None = None
    edited: bool = False
    #: Whether an answer goes on to grow.
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Messages of a room, oldest first."""

    messages: tuple[SeenMessage, ...]
    #: Cursors of the pages before and after; None: there is none.
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMessages:
    """Messages with the words that were sought, newest first."""

    messages: tuple[SeenMessage, ...]
    #: Rooms that were searched, and whether all messages of all rooms were.
    rooms: int
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredFile:
    """A file of an answer."""

    #: ``mxc://`` URL.
    url: str
    name: str
    content_type: str
    #: The ``EncryptedFile`` of the spec that opens an encrypted file.
    file: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer of one agent to a message."""

    user_id: str
    name: str
    #: ``working``, ``answered``, ``stopped`` or ``failed``.
    status: str
    text: str | None
    event_ids: tuple[str, ...]
    error: str | None
    files: tuple[AnsweredFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A message that asks agents, and their answers so far."""

    handle: str
    room_id: str
    event_id: str
    #: Whether all of them have ended.
    is_complete: bool
    answers: tuple[Answered, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """An agent or a person."""

    user_id: str
    name: str
    #: ``agent``, ``member``, ``moderator``, ``admin`` or ``owner``; ``none``: agents do not read the person.
    role: str
    is_agent: bool
    bio: str | None = None
    #: None: the homeserver does not tell.
    online: bool | None = None
    status_text: str | None = None
    last_seen: datetime | None = None
    #: The home of an agent, if the token reaches it.
    room_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSeen:
    """A room of a token."""

    room_id: str
    name: str | None
    kind: str
    #: User ids of the agents in it.
    agents: tuple[str, ...]
    #: Messages since the event that was marked as read; None: not counted.
    unread: int | None = None
    #: Whether there are more unread messages than were counted.
    unread_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEvent:
    """An agent event of a room."""

    event_id: str
    room_id: str
    #: User id of the agent, or of the person, that it comes from.
    sender: str
    sender_name: str
    #: Milliseconds since 1970, by the homeserver.
    sent_at: int
    kind: str
    #: Name of the turn that it is about; None: of none.
    turn: str | None
    text: str
    data: Mapping[str, Any]
