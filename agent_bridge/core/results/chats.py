"""Results of the commands about chats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.core.results.commands import RoomAddress


@dataclass(frozen=True, slots=True)
class ChatMade:
    """The person has a new chat."""

    number: int
    #: None for a chat without a title.
    title: str | None
    agent: str
    room: RoomAddress


@dataclass(frozen=True, slots=True)
class ChatGone:
    """The chat does not exist any more."""

    number: int


@dataclass(frozen=True, slots=True)
class TooManyChats:
    """The person has as many chats as are permitted."""

    most: int


@dataclass(frozen=True, slots=True)
class ChatEntry:
    """A chat in a list."""

    number: int
    #: None for a chat without a title, and in the list of all people.
    title: str | None
    agent: str
    #: User id; None in the list of one person.
    person: str | None
    room: RoomAddress
    #: Seconds since its last answer, or since it was made.
    age: float


@dataclass(frozen=True, slots=True)
class ChatList:
    """A page of chats, those used last first."""

    chats: tuple[ChatEntry, ...]
    page: int = 1
    pages: int = 1
    #: Whether it lists the chats of all people.
    is_of_all: bool = False


@dataclass(frozen=True, slots=True)
class ChatRenamed:
    """The chat has this title from now on."""

    title: str


@dataclass(frozen=True, slots=True)
class NotYourChat:
    """The command was given in a room that is no chat of the caller."""

    command: str
