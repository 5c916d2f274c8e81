"""Chats: conversations with an agent in rooms of their own, which belong to a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.rooms import KindName, RoomProblem


class TitledBy(StrEnum):
    """Where the name of a chat comes from."""

    #: The person gave it in a command.
    GIVEN = "given"
    #: The bridge made it from the first answer.
    MADE = "made"
    #: A person set the name of the room.
    PERSON = "person"


class ChatStatus(StrEnum):
    """States of a chat."""

    ACTIVE = "active"
    #: Its person has put it away: neither the Space nor the list of chats has it. It is answered all the same.
    ARCHIVED = "archived"
    #: Its room is being removed.
    DELETING = "deleting"
    #: A direct chat that its person has left, or that was replaced by another one: the ghost leaves.
    ENDED = "ended"


class ChatTitles(StrEnum):
    """How chats without a title get one after their first answer."""

    #: From the first words of the question.
    FIRST_WORDS = "first_words"
    #: By the model of the agent.
    MODEL = "model"
    #: Not at all.
    OFF = "off"


@dataclass(frozen=True, slots=True)
class ChatRoom:
    """A room with one agent, other than its home: the desired state beside the state that was applied."""

    #: Row id.
    id: int
    #: A chat or a direct chat.
    kind: KindName
    #: Room id, None before the room exists.
    room_id: str | None
    agent: Agent
    #: User id of the person whose chat it is; None for a room that people made, and for which they chose the agent.
    person: str | None
    #: Number of the chat, which no other conversation has or had; None for a direct chat, and a room that people made.
    number: int | None
    #: Key of the turn that asked for the chat, or of the direct chat that the bridge makes; None for a room that people
    #: made.
    request_key: str | None
    #: Desired name, and the one that the room was given last; None: the bridge does not name it.
    name: str | None
    name_applied: str | None
    #: Where the name comes from; None: the chat has no title.
    titled_by: TitledBy | None
    status: ChatStatus
    #: Name of the deletion on the homeserver; None before it is requested.
    delete_ref: str | None
    #: Whether the conversations of the chat are archived on the upstream.
    put_away: bool
    #: Whether the person is known to have left the room, and whether that was long ago: the chat ends.
    is_left: bool
    is_abandoned: bool
    #: Whether the name that the room was given last has words that were redacted.
    name_redacted: bool
    #: Whether the bridge bot is in the room.
    bot_joined: bool
    #: Room id of the Space that lists the room, None when none does.
    space: str | None
    #: How often the desired state changed, and the changes that were applied.
    changes: int
    changes_applied: int
    #: How often a comparison with the homeserver was requested, and the requests that the last comparison answered.
    check_requests: int
    checked: int
    #: The problems that the last comparison found and could not repair.
    problems: tuple[RoomProblem, ...]
    #: Whether the agent has introduced itself; in direct chats that the bridge made.
    introduced: bool = False

    @property
    def title(self) -> str | None:
        """The title; None if it has none."""
        return None if self.titled_by is None else self.name


@dataclass(frozen=True, slots=True)
class ListedChat:
    """A chat in a list."""

    #: Row id.
    id: int
    number: int
    room_id: str
    person: str
    #: None if it has none.
    title: str | None
    #: Name of the agent.
    agent: str
    #: Seconds since its last answer, or since it was made.
    age: float


@dataclass(frozen=True, slots=True)
class UntitledChat:
    """A chat that has its first answer, and no title."""

    #: Row id.
    id: int
    number: int
    agent: Agent
    #: Row id of the turn with the answer.
    turn: int
    #: User id of its person, and its room.
    person: str
    room_id: str
    #: Empty if they have no text, or were redacted.
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class NewChat:
    """A chat that a person asked for."""

    person: str
    #: Row id of the agent.
    agent: int
    #: Key of the turn that asked for it.
    request_key: str
    #: Name of the room.
    name: str
    #: Whether the name is a title that the person gave.
    is_titled: bool
    #: Row id of the context with which its conversation begins; None: with an empty one.
    first_context: int | None = None


@dataclass(frozen=True, slots=True)
class FoundChat:
    """A chat on the homeserver that the database does not have."""

    room_id: str
    number: int
    person: str
    #: Localpart.
    ghost: str
    name: str | None
    titled_by: TitledBy | None
    #: Its newest event by a person: it was sent to an earlier bridge.
    seen: str | None
