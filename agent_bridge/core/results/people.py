"""Results of the commands about people: roles, mutes, pins, and the removal from a room."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from agent_bridge.core.roles import Role, RoleSource


class PersonRefusal(StrEnum):
    """Why a command about a user changed nothing."""

    #: Only an owner may give or take the role.
    OWNERS_ONLY = "owners_only"
    #: The configuration names the user as owner.
    FILE_OWNER = "file_owner"
    #: Nobody raises the own role.
    OWN_ROLE = "own_role"
    #: Nobody else would be named as an admin or owner.
    LAST_ADMIN = "last_admin"
    #: The user is the bot or a ghost.
    OURS = "ours"
    #: The user has the role of the caller, or a higher one.
    HIGHER = "higher"
    #: The user is not in the room.
    NOT_THERE = "not_there"
    #: The bridge has not the power in the room.
    POWERLESS = "powerless"
    #: The command needs a room, and the bot's room stands for all rooms.
    NO_ROOM = "no_room"
    #: The command names no room, and the bot's room stands for all rooms.
    NO_PLACE = "no_place"
    #: The room belongs to its people.
    NOT_MADE = "not_made"
    #: The user has no role.
    NO_ROLE = "no_role"
    #: The homeserver has no such account.
    UNKNOWN = "unknown"
    #: The user is banned from the room.
    BANNED = "banned"
    #: The server of the user does not answer.
    AWAY = "away"
    #: The user is not in the room that the command names.
    OUTSIDE = "outside"
    #: The room belongs to no server.
    NO_SERVER = "no_server"


@dataclass(frozen=True, slots=True)
class PersonRefused:
    """Nothing was changed."""

    reason: PersonRefusal
    #: User id.
    user: str


@dataclass(frozen=True, slots=True)
class RoleShown:
    """The role of a user."""

    #: User id.
    user: str
    source: RoleSource
    #: The role that the configuration gives.
    configured: Role


@dataclass(frozen=True, slots=True)
class RoleGiven:
    """A user has this role from now on."""

    #: User id.
    user: str
    role: Role
    #: Whether the homeserver knows the user; true for a user of another homeserver.
    exists: bool = True
    #: Name of the server in which alone it counts; empty: it counts in all rooms.
    server: str = ""


@dataclass(frozen=True, slots=True)
class RoleEntry:
    """A user, a pattern, a domain or ``*``, and the role."""

    key: str
    role: Role
    #: User id of the person who gave the role; empty: the configuration does.
    by: str = ""


@dataclass(frozen=True, slots=True)
class RoleList:
    """A page of all roles."""

    entries: tuple[RoleEntry, ...]
    #: The number of the first entry, of the page, and of all pages.
    first: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Muted:
    """Agents get nothing of a user."""

    #: User id.
    user: str
    #: Seconds; None: until somebody ends it.
    seconds: float | None
    #: Whether that counts in all rooms.
    everywhere: bool
    #: Messages of the user that were not answered yet, and ended.
    turns: int
    #: Whether other people in the room still see the messages of the user.
    may_write: bool


@dataclass(frozen=True, slots=True)
class Unmuted:
    """Agents get the messages of a user again."""

    #: User id.
    user: str
    everywhere: bool
    #: Whether the user was muted.
    was_muted: bool


@dataclass(frozen=True, slots=True)
class Kicked:
    """A user is not in the room any more."""

    #: User id.
    user: str


class PinResult(StrEnum):
    """The effect of a command about a pinned message."""

    PINNED = "pinned"
    UNPINNED = "unpinned"
    #: The command is no reply.
    NO_REPLY = "no_reply"
    #: The room has no such message, or the bridge does not see it.
    UNKNOWN = "unknown"
    #: No more messages can be pinned.
    FULL = "full"
    #: The bridge has not the power in the room.
    POWERLESS = "powerless"


@dataclass(frozen=True, slots=True)
class PinChange:
    """The result of ``pin`` or ``unpin``."""

    result: PinResult
    #: Messages that can be pinned in a room.
    most: int


PeopleResult: TypeAlias = Kicked | Muted | PersonRefused | PinChange | RoleGiven | RoleList | RoleShown | Unmuted
