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
