"""Results of the commands ``server`` and ``channel``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from agent_bridge.core.results.access import Arrival
    from agent_bridge.core.results.commands import RoomAddress
    from agent_bridge.core.roles import Role
    from agent_bridge.core.servers import ChannelType


class PlaceProblem(StrEnum):
    """Why nothing is done to a server or a channel."""

    #: The caller has named no server, or no channel.
    WHICH_SERVER = "which_server"
    WHICH_CHANNEL = "which_channel"
    NO_SERVER = "no_server"
    NO_CHANNEL = "no_channel"
    #: Several servers have a channel of the name.
    SEVERAL = "several"
    NO_NAME = "no_name"
    #: A name is too long, or has a slash, or is a number.
    BAD_NAME = "bad_name"
    TAKEN = "taken"
    TOO_MANY_SERVERS = "too_many_servers"
    TOO_MANY_CHANNELS = "too_many_channels"
    #: The property is none of a server's.
    NO_FIELD = "no_field"
    #: The picture is no ``mxc://`` URI.
    BAD_ICON = "bad_icon"
    #: No place is given.
    NO_POSITION = "no_position"
    #: The place is no number of the list.
    BAD_POSITION = "bad_position"
    #: The room is not made yet.
    NOT_READY = "not_ready"
    NO_AGENT = "no_agent"
    #: Agents cannot write in a channel of the type.
    SILENT = "silent"
    #: The agent cannot enter the channel.
    NOT_ENTERED = "not_entered"
    #: The caller is not in the server or channel.
    OUTSIDE = "outside"
    #: The caller may enter it by the invitation of others only.
    CLOSED = "closed"
    #: The homeserver lets nobody of the bridge invite or remove people there.
    POWERLESS = "powerless"


@dataclass(frozen=True, slots=True)
class PlaceRefused:
    """Nothing was changed."""

    problem: PlaceProblem
    name: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class ServerMade:
    """A server was made, and the caller is invited into its Space."""

    number: int
    name: str
    room: RoomAddress


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """A server in a list."""

    number: int
    name: str
    topic: str
    #: User id.
    owner: str
    #: None: it is not made yet.
    room: RoomAddress | None
    #: The role of the caller there.
    role: Role
    channels: int


@dataclass(frozen=True, slots=True)
class ServerList:
    """All servers, the oldest first."""

    servers: tuple[ServerEntry, ...]


@dataclass(frozen=True, slots=True)
class ServerJoined:
    """The caller is in a server, or is invited."""

    name: str
    room: RoomAddress
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class ServerLeft:
    """The caller is not in the rooms of a server any more."""

    name: str


class ServerField(StrEnum):
    """The properties of a server that people change."""

    NAME = "name"
    DESCRIPTION = "description"
    ICON = "icon"


@dataclass(frozen=True, slots=True)
class ServerUpdated:
    """A server has another property; empty: it was taken away."""

    name: str
    field: ServerField
    value: str


@dataclass(frozen=True, slots=True)
class DeletionQuestion:
    """The caller is asked to confirm a deletion by the same command with ``yes``."""

    name: str
    #: The command that confirms it, without the prefix.
    command: str
    #: The number of channels of the server; None: a channel is to be deleted.
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class PlaceDeleted:
    """A server or a channel is being deleted."""

    name: str
    is_server: bool


@dataclass(frozen=True, slots=True)
class ChannelMade:
    """A channel was made."""

    name: str
    type: ChannelType
    room: RoomAddress
    #: Name of its server; empty: the main Space lists it.
    server: str


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """A channel in a list."""

    position: int
    name: str
    type: ChannelType
    topic: str
    #: None: it is not made yet.
    room: RoomAddress | None


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """The channels of a server."""

    #: Empty: the main Space.
    server: str
    channels: tuple[ChannelEntry, ...]


@dataclass(frozen=True, slots=True)
class ChannelList:
    """Channels by their servers, those of the main Space first."""

    groups: tuple[ChannelGroup, ...]


class ChannelChange(StrEnum):
    """The properties of a channel that people change."""

    RENAMED = "renamed"
    TOPIC = "topic"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class ChannelChanged:
    """A channel has another property."""

    name: str
    change: ChannelChange
    value: str


@dataclass(frozen=True, slots=True)
class AgentAdded:
    """An agent is in a channel."""

    agent: str
    channel: str


ServerResult: TypeAlias = (
    PlaceRefused
    | ServerMade
    | ServerList
    | ServerJoined
    | ServerLeft
    | ServerUpdated
    | DeletionQuestion
    | PlaceDeleted
    | ChannelMade
    | ChannelList
    | ChannelChanged
    | AgentAdded
)
