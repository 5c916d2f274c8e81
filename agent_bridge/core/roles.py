"""Roles of users: the book that gives each user a role, and the cell with the book that counts now."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.globs import matches_exactly
from agent_bridge.core.live import Live

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.ids import Namespace

#: Localparts of users that belong to other bridges: the underscore that the Matrix spec recommends for application
#: services, and the prefixes that widespread bridges use by default.
_BRIDGED = re.compile(
    r"_.*|(telegram|whatsapp|signal|discord|slack|facebook|messenger|meta|instagram|twitter|linkedin|bluesky|gmessages"
    r"|googlechat|gvoice|imessage|irc|xmpp|skype|skypeweb|steam|zulip|groupme|line|wechat|kakaotalk|zalo)_.+"
)
#: Key of the role of all users.
_ANYONE = "*"
#: In place of a room id: all rooms.
EVERYWHERE = ""


class Role(IntEnum):
    """Roles in ascending order; each role includes the permissions of the lower ones."""

    NONE = 0
    #: Accounts of other bots: agents read them, and answer those messages that mention the agent.
    AGENT = 1
    MEMBER = 2
    MODERATOR = 3
    ADMIN = 4
    OWNER = 5


class SourceKind(StrEnum):
    """Why a user has its role, in descending order of priority."""

    #: Somebody gave it to the user in one server, where it counts alone.
    SERVER = "server"
    #: Somebody gave it to the user while the bridge ran.
    ASSIGNED = "assigned"
    #: ``permissions`` names the user.
    USER = "user"
    #: The first pattern of ``permissions`` that the user matches.
    PATTERN = "pattern"
    #: A user of another bridge, which has no role unless ``permissions`` names the user or a pattern.
    BRIDGED = "bridged"
    #: The user's server.
    DOMAIN = "domain"
    #: The role of all users.
    ANYONE = "anyone"
    #: ``permissions`` say nothing about the user.
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class RoleSource:
    """The role of a user, and its origin."""

    kind: SourceKind
    role: Role
    #: The entry of ``permissions``.
    key: str = ""
    #: User id of the person who assigned it, and the time.
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role that somebody gave a user while the bridge ran."""

    role: Role
    #: User id of the giver.
    by: str
    at: datetime
    #: Whether it counts in one server only.
    is_of_server: bool = False


@dataclass(frozen=True, slots=True)
class RoleBook:
    """The roles of all users at one time."""

    #: Roles by user id, pattern of user ids, domain or ``*``, as the configuration has them, in their order.
    permissions: Mapping[str, Role]
    #: By user id.
    assigned: Mapping[str, Assignment] = field(default_factory=dict)
    version: int = 0
    #: The roles that servers give, by row id of the server and user id.
    servers: Mapping[int, Mapping[str, Assignment]] = field(default_factory=dict)
    #: The entries of *permissions* that are patterns of user ids. There are few of them among many users.
    _patterns: tuple[tuple[str, Role], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = tuple((key, role) for key, role in self.permissions.items() if _is_pattern(key))
        object.__setattr__(self, "_patterns", patterns)

    def role_of(self, user: str) -> Role:
        """Return the role of *user*."""
        return self.source_of(user).role

    def source_of(self, user: str) -> RoleSource:
        """Return the role of *user* and its origin.

        An assignment has priority, then an entry for the user id, then the first pattern (``@telegram_*:example.org``)
        that it matches, then its domain, then ``*``. A user of another bridge gets no role from its domain or from
        ``*``: two bridges that carry messages to each other would never end. An owner that the configuration names
        stays owner, so that no assignment can lock the operator out.
        """
        named, given = self.permissions.get(user), self.assigned.get(user)
        if given is not None and named is not Role.OWNER:
            kind = SourceKind.SERVER if given.is_of_server else SourceKind.ASSIGNED
            return RoleSource(kind, given.role, by=given.by, at=given.at)
        if named is not None:
            return RoleSource(SourceKind.USER, named, user)
        for key, role in self._patterns:
            if matches_exactly(user, key):
                return RoleSource(SourceKind.PATTERN, role, key)
        localpart, _, domain = user.removeprefix("@").partition(":")
        if _BRIDGED.fullmatch(localpart):
            return RoleSource(SourceKind.BRIDGED, Role.NONE)
        for kind, key in ((SourceKind.DOMAIN, domain), (SourceKind.ANYONE, _ANYONE)):
            if key in self.permissions:
                return RoleSource(kind, self.permissions[key], key)
        return RoleSource(SourceKind.NOBODY, Role.NONE)

    def in_server(self, server: int | None) -> RoleBook:
        """Return the book that counts in the rooms of *server* (a row id; None: in those of no server).

        The roles that the server gives override all others there, but for that of an owner whom the configuration
        names.
        """
        given = {} if server is None else self.servers.get(server)
        return replace(self, assigned={**self.assigned, **given}) if given else self

    def without(self, user: str) -> RoleBook:
        """Return the book without the assignment of *user*."""
        return replace(self, assigned={key: given for key, given in self.assigned.items() if key != user})

    @property
    def unnamed(self) -> tuple[tuple[str, Role], ...]:
        """The entries of ``permissions`` that name no user: patterns, domains and ``*``, in their order."""
        return tuple((key, role) for key, role in self.permissions.items() if not _is_user(key))

    def names(self, user: str) -> bool:
        """Tell whether the book names *user*: no pattern and no domain gives its role."""
        return user in self.permissions or user in self.assigned

    def named(self, at_least: Role) -> list[str]:
        """Return the user ids with the role *at_least* or a higher one that the book names: the configured ones first.

        Patterns and domains name nobody.
        """
        users = [key for key in self.permissions if _is_user(key)]
        return [user for user in dict.fromkeys([*users, *self.assigned]) if self.role_of(user) >= at_least]


@dataclass(frozen=True, slots=True)
class Mutes:
    """The people of whom agents get nothing, at one time."""

    #: The end of each mute (None: without an end), by room id and user id.
    until: Mapping[tuple[str, str], datetime | None] = field(default_factory=dict)

    def has(self, user: str, room_id: str) -> bool:
        """Tell whether *user* is muted in a room, or in all rooms. A mute ends by the clock of this process."""
        if not self.until:
            return False
        now = datetime.now(UTC)
        ends = [self.until[room, user] for room in (EVERYWHERE, room_id) if (room, user) in self.until]
        return any(end is None or end > now for end in ends)


class Roles:
    """The roles that count now. All parts of the bridge ask the same cell, so a new book counts for all at once."""

    def __init__(self, book: Live[RoleBook], namespace: Namespace, mutes: Live[Mutes] | None = None) -> None:
        self._book = book
        self._namespace = namespace
        self._mutes = mutes or Live(Mutes())
        #: Row ids of servers, by the room ids of their rooms.
        self._servers: Mapping[str, int] = {}
        #: The books of servers, as far as they were asked for, each with the book from which it was made.
        self._books: dict[int, tuple[RoleBook, RoleBook]] = {}

    @classmethod
    def fixed(cls, permissions: Mapping[str, Role], namespace: Namespace) -> Roles:
        """Return the roles that *permissions* give, which do not change."""
        return cls(Live(RoleBook(permissions)), namespace)

    @property
    def book(self) -> RoleBook:
        """The present book."""
        return self._book.value

    @property
    def mutes(self) -> Mutes:
        """The present mutes."""
        return self._mutes.value

    def replace(self, book: RoleBook, mutes: Mutes, servers: Mapping[str, int] | None = None) -> None:
        """Let *book* and *mutes* count from now on. *servers*: row ids of servers, by the room ids of their rooms."""
        self._book.replace(book)
        self._mutes.replace(mutes)
        self._servers = servers or {}
        self._books.clear()

    def of(self, user: str, room_id: str = EVERYWHERE) -> Role:
        """Return the role of *user* in a room; without a room: the one that counts outside of servers."""
        return self.book_in(room_id).role_of(user)

    def book_in(self, room_id: str) -> RoleBook:
        """Return the book that counts in a room."""
        server = self._servers.get(room_id)
        if server is None:
            return self.book
        whole, own = self._books.get(server, (None, self.book))
        if whole is not self.book:
            own = self.book.in_server(server)
            self._books[server] = self.book, own
        return own

    def is_muted(self, user: str, room_id: str) -> bool:
        """Tell whether *user* is muted in a room, or in all rooms."""
        return self.mutes.has(user, room_id)

    def may_invite(self, user: str) -> bool:
        """Tell whether ghosts and the bot accept invitations of *user*: a person with a role who is not muted."""
        return self.of(user) >= Role.MEMBER and not self.is_muted(user, EVERYWHERE)

    def may_ask(self, user: str, room_id: str) -> bool:
        """Tell whether *user*, a person, may have agents asked in a room by a trigger or a schedule."""
        return self.of(user, room_id) >= Role.MEMBER and not self.is_muted(user, room_id)

    def reads(self, user: str, room_id: str) -> bool:
        """Tell whether agents may be given texts of *user* in a room: a ghost, the bot, or a user with a role.

        Agents get nothing of a muted user.
        """
        if self._namespace.is_ours(user):
            return True
        return self.of(user, room_id) >= Role.AGENT and not self.is_muted(user, room_id)


def is_pattern(user: str) -> bool:
    """Tell whether *user* is no user id, but a pattern of user ids."""
    return "*" in user


def _is_user(key: str) -> bool:
    return key.startswith("@") and not _is_pattern(key)


def _is_pattern(key: str) -> bool:
    # A user id contains no asterisk.
    return key.startswith("@") and "*" in key
