"""Agents that connect themselves: the bridge keeps their questions until they reply, and asks no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

#: The kind of the upstreams of these agents, and the names of both: of agents that stay, and of ephemeral ones.
CLIENT: Final = "client"
CLIENTS, EPHEMERAL_CLIENTS = CLIENT, "client_ephemeral"
#: Characters of a name, and of a description.
LONGEST_NAME, LONGEST_DESCRIPTION = 80, 500
#: Characters of a reply, and seconds between two notes that an agent was seen.
LONGEST_REPLY, SEEN_EVERY = 200_000, 60.0


def upstream_of_client(*, ephemeral: bool) -> str:
    """Return the name of the upstream that lists an agent which connects itself."""
    return EPHEMERAL_CLIENTS if ephemeral else CLIENTS


@dataclass(frozen=True, slots=True)
class ClientAgent:
    """An agent that connects itself."""

    id: int
    #: Its id in the list of its upstream, which never changes.
    model: str
    name: str
    description: str
    ephemeral: bool
    #: User id of the person who registered it.
    owner: str
    created_at: datetime
    #: When it was connected last; None: never.
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClientQuestion:
    """A message that waits for the reply of an agent that connects itself."""

    id: int
    #: Public name of the turn.
    key: str
    room_id: str
    #: The event of the message, and the root of its thread; empty: the room itself.
    event_id: str
    thread: str
    #: User id of the person, or of the ghost, that sent it.
    sender: str
    #: The question: the message with the quotations and the messages of the room that belong to it.
    text: str
    asked_at: datetime
    #: The room is told at this time that there was no reply.
    deadline: datetime
