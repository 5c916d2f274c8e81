"""Servers, which group channels, and channels: rooms of several agents and people that the bridge makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ChannelType(StrEnum):
    """The purposes of channels."""

    #: Everybody writes.
    TEXT = "text"
    #: Only admins write.
    ANNOUNCEMENT = "announcement"
    #: Agents and the bridge report; people with power may write, too.
    LOG = "log"
    #: Reserved: the room exists, and says so.
    VOICE = "voice"


class PlaceStatus(StrEnum):
    """States of servers and channels."""

    ACTIVE = "active"
    #: Its room is being removed.
    DELETING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server or a channel: the desired state of its room beside the state that was applied."""

    #: Row id of the room.
    id: int
    #: Room id; None before the room exists.
    room_id: str | None
    #: Key of the request that made it, from which its alias derives.
    key: str
    name: str
    topic: str
    #: The values that the room was given last.
    name_applied: str | None
    topic_applied: str | None
    join_rule_applied: str | None
    #: Whether the bot is known to be in the room.
    bot_joined: bool
    #: Room id of the Space that lists it.
    space: str | None
    status: PlaceStatus
    #: Name of the deletion on the homeserver; None before it is requested.
    delete_ref: str | None
    #: Whether the room was told that it has people without a role.
    warned: bool
    #: How often the desired state changed, and the changes that the homeserver has, or refused.
    changes: int
    changes_applied: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Place):
    """A Space below the main one, with channels, an owner, and roles of its own."""

    #: Row id of the server. The row id of its room is :attr:`Place.id`.
    number: int
    #: User id.
    owner: str
    #: ``mxc://`` URI of its picture, and of the one that its Space was given last; None: none.
    icon: str | None
    icon_applied: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel(Place):
    """A room of people and agents in a server, or in the main Space."""

    #: Row id of its server; None: the main Space lists it.
    server: int | None
    type: ChannelType
    #: Its place among the channels of the server, from 1.
    position: int


@dataclass(frozen=True, slots=True)
class NewPlace:
    """A server or a channel to be made."""

    key: str
    name: str
    topic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPlace:
    """The room of a server or a channel that the database lacks."""

    key: str
    room_id: str
    name: str
    topic: str
    #: The newest event by a person; None: there is none.
    seen: str | None
