"""Results of the commands ``invite`` and ``leave``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.results.commands import RoomAddress


class Arrival(StrEnum):
    """Outcomes of bringing a user into a room."""

    INVITED = "invited"
    #: A server administrator had the user enter.
    JOINED = "joined"
    #: The user was in the room already.
    INSIDE = "inside"
    BANNED = "banned"
    #: The bridge has not the power in the room.
    POWERLESS = "powerless"
    #: The server of the user does not answer, or refuses.
    AWAY = "away"
    #: The user has no role any more.
    NO_ROLE = "no_role"

    @property
    def is_done(self) -> bool:
        """Whether the user is in the room, or can enter it."""
        return self in {Arrival.INVITED, Arrival.JOINED, Arrival.INSIDE}


@dataclass(frozen=True, slots=True)
class NamedRoom:
    """A room that a command names."""

    address: RoomAddress
    #: Name of the agent, or title of the chat.
    name: str


@dataclass(frozen=True, slots=True)
class Invited:
    """A user is invited into a room, or was a member already."""

    #: None: the room of the command.
    room: NamedRoom | None
    #: User id.
    user: str
    arrival: Arrival
    #: Whether agents get nothing of the user.
    is_muted: bool = False


@dataclass(frozen=True, slots=True)
class RoomLeft:
    """A user is not in the room any more."""

    #: None: the room of the command.
    room: NamedRoom | None
    #: User id.
    user: str
    #: Whether the user asked for it.
    is_own: bool


@dataclass(frozen=True, slots=True)
class InvitingBegun:
    """The leader invites a user into the Space, and into the rooms that cannot be entered from there."""

    #: User id.
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteReport:
    """The progress or the result of that."""

    #: User id.
    user: str
    #: Rooms that were looked at, and all rooms.
    done: int
    total: int
    #: The outcome for the Space; None: there is none, or it was not looked at yet.
    space: str | None
    #: Rooms by their outcomes.
    counts: Mapping[str, int]
    is_finished: bool
    #: Why the rest is not done; empty: it is.
    error: str = ""


AccessResult: TypeAlias = Invited | InvitingBegun | RoomLeft
