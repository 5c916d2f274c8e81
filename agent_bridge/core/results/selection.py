"""Results of the command ``agent``: lists of agents to choose from, and choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.core.results.commands import AgentEntry


@dataclass(frozen=True, slots=True)
class AgentOption:
    """An agent in a numbered list."""

    number: int
    name: str
    #: Given by its server; may be empty.
    description: str
    #: Whether the person has selected it.
    is_current: bool
    #: Localpart of its ghost, if another agent has the same name; else empty.
    ghost: str = ""


@dataclass(frozen=True, slots=True)
class AgentChoices:
    """A page of the agents from which the person can choose by a number."""

    options: tuple[AgentOption, ...]
    #: The number of the page, and of all pages.
    page: int = 1
    pages: int = 1
    #: Whether the choice also decides which agent answers in the room.
    is_for_room: bool = False
    #: Whether it comes in place of a choice, by a number of no list or of an old one.
    is_renewed: bool = False
    #: Whether the choice makes a chat.
    is_for_chat: bool = False


@dataclass(frozen=True, slots=True)
class AgentSelected:
    """The person has selected an agent."""

    agent: AgentEntry
    #: Name of the agent that goes on to answer in the room; None if the room has no other agent.
    room_agent: str | None = None


@dataclass(frozen=True, slots=True)
class RoomBound:
    """An agent answers in the room from now on."""

    agent: str


@dataclass(frozen=True, slots=True)
class CannotEnter:
    """The agent's ghost cannot enter the room."""

    agent: str
    #: User id of the ghost.
    ghost: str
