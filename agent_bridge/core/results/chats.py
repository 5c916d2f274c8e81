"""Results of the commands about chats."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

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
    #: Number of the messages of another conversation with which it begins.
    messages: int = 0


class ForkRefusal(StrEnum):
    """Why a conversation is not copied."""

    #: The command replies to no message.
    NO_REPLY = "no_reply"
    #: The agent's conversation does not have the message.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ForkRefused:
    """No chat was made."""

    reason: ForkRefusal
    agent: str


@dataclass(frozen=True, slots=True)
class ChatGone:
    """The chat does not exist any more."""

    number: int


@dataclass(frozen=True, slots=True)
class TooManyChats:
    """The person has as many chats as are permitted."""

    most: int


@dataclass(frozen=True, slots=True)
class ChatName:
    """A chat by its title, or by its number where it has none; a direct chat by its agent."""

    number: int
    title: str | None = None
    #: Name of the agent of a direct chat; None for other chats.
    direct_with: str | None = None


@dataclass(frozen=True, slots=True)
class ChatEntry:
    """A chat in a list."""

    #: Number in the list, from 1.
    position: int
    name: ChatName
    agent: str
    #: User id; None in the list of one person.
    person: str | None
    room: RoomAddress
    #: Seconds since its last answer, or since it was made.
    age: float


@dataclass(frozen=True, slots=True)
class PairEntry:
    """The direct room of two agents, or of two people."""

    #: User ids.
    low: str
    high: str
    room: RoomAddress
    #: Seconds since it was made.
    age: float


@dataclass(frozen=True, slots=True)
class ChatList:
    """A page of chats, those used last first."""

    chats: tuple[ChatEntry, ...]
    page: int = 1
    pages: int = 1
    #: Whether it lists the chats of all people.
    is_of_all: bool = False
    #: Whether it lists archived chats, and the number of those that it does not list.
    is_archive: bool = False
    archived: int = 0
    #: On the first page of the list of all: the newest direct rooms of two agents or two people, and the number of all.
    pairs: tuple[PairEntry, ...] = ()
    number_of_pairs: int = 0


@dataclass(frozen=True, slots=True)
class ChatRenamed:
    """The chat has this title from now on."""

    title: str


@dataclass(frozen=True, slots=True)
class NotYourChat:
    """The command was given in a room that is no chat of the caller."""

    command: str


@dataclass(frozen=True, slots=True)
class NotArchived:
    """The chat in whose room the command was given is not in the archive."""

    name: ChatName


@dataclass(frozen=True, slots=True)
class IsDirectChat:
    """The command was given in a direct chat, which has neither a title nor a place in the archive."""

    agent: str


@dataclass(frozen=True, slots=True)
class ChatArchived:
    """The chat is put away."""

    name: ChatName


@dataclass(frozen=True, slots=True)
class ChatUnarchived:
    """The chat is back."""

    name: ChatName


@dataclass(frozen=True, slots=True)
class DeletionAsked:
    """The chat is deleted if its person confirms it."""

    name: ChatName
    room: RoomAddress


@dataclass(frozen=True, slots=True)
class DeletionConfirmed:
    """The room of the chat is being removed."""

    name: ChatName


@dataclass(frozen=True, slots=True)
class NothingToConfirm:
    """The person was not asked anything, or too long ago."""

    minutes: int = 10


ChatResult: TypeAlias = (
    ChatArchived
    | ChatGone
    | ChatList
    | ChatMade
    | ChatRenamed
    | ChatUnarchived
    | DeletionAsked
    | DeletionConfirmed
    | ForkRefused
    | IsDirectChat
    | NotArchived
    | NotYourChat
    | NothingToConfirm
    | TooManyChats
)
