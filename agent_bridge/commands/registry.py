"""What a command to the bridge bot is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from agent_bridge.core.roles import Role


@dataclass(frozen=True, slots=True)
class Call:
    """A command as somebody gave it."""

    sender: str
    role: Role
    #: What stands behind the command's word.
    arguments: str
    #: Where it was given, and by which event.
    room_id: str
    event_id: str


class Run(Protocol):
    """What carries a command out."""

    async def __call__(self, call: Call, /) -> str:
        """Carry it out and return the answer as Markdown.

        It may be called twice for the same message when the bridge was killed in between.

        Raises:
            BridgeError: it failed; the person is told the cause.
        """


@dataclass(frozen=True, slots=True)
class Command:
    """One word that the bridge bot understands."""

    word: str
    #: How it is used, beginning with the word.
    usage: str
    #: What it does, in one line.
    help: str
    #: Who may use it.
    role: Role
    run: Run
