"""Results of the command ``letta``: commands that an agent's server offers in a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CommandRefusal(StrEnum):
    """Why a command of a server is not run."""

    #: The server does not offer it.
    UNKNOWN = "unknown"
    #: It needs a terminal or a browser beside the server.
    NEEDS_TERMINAL = "needs_terminal"
    #: It restarts the server or ends it.
    ENDS_SERVER = "ends_server"
    #: It changes conversations of other rooms too.
    ALL_ROOMS = "all_rooms"
    #: The agents' server has no commands.
    NOT_OFFERED = "not_offered"
    #: The room has several agents, or the agent is no more.
    NO_AGENT = "no_agent"
    #: An earlier attempt of the bridge may have run it.
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class ServerCommandEntry:
    """A command in a list."""

    name: str
    #: The server's own description, empty if it gives none.
    description: str = ""
    #: The server's hint about arguments, empty if it gives none.
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class ServerCommandList:
    """The commands that the server of *agent* runs in the conversation."""

    agent: str
    commands: tuple[ServerCommandEntry, ...]


@dataclass(frozen=True, slots=True)
class ServerCommandDone:
    """A command of the server ended."""

    name: str
    #: Whether the server reports a success.
    succeeded: bool
    #: The words of the server, bounded, perhaps empty.
    output: str = ""
    #: The words of the agent, if the command asked it something; bounded.
    said: str = ""


@dataclass(frozen=True, slots=True)
class ServerCommandRefused:
    """A command of the server was not run."""

    #: As typed; empty without one.
    name: str
    reason: CommandRefusal
    #: The command whose name is nearest to an unknown one; None when no name is near.
    nearest: str | None = None
