"""Kinds of rooms: a table of how they differ, and whom a message in a room of each kind is for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from agent_bridge.core.rooms import KindName, ParticipantState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.rooms import Participant, Room
    from agent_bridge.matrix.events import RoomEvent


class Creator(Enum):
    """Who creates a room."""

    GHOST = auto()
    BOT = auto()
    PERSON = auto()


class NamedAfter(Enum):
    """What the bridge names a room after."""

    AGENT = auto()
    CONVERSATION = auto()
    #: The bridge does not name it.
    NOTHING = auto()


class Listing(Enum):
    """Where a room is listed."""

    SPACE = auto()
    #: In a Space of its own channel.
    CHANNEL = auto()
    NOWHERE = auto()


class Addressing(Enum):
    """Which messages of a room are for an agent."""

    #: All of them, for the agent whose own room it is.
    OWNER = auto()
    #: Those that mention an agent's ghost (``m.mentions``) or reply to its message: for each such agent.
    MENTION_OR_REPLY = auto()
    #: None: all of them are commands for the bridge bot.
    BOT = auto()


class Retirement(Enum):
    """What a ghost does in a room when its agent retires."""

    KEEP = auto()
    LEAVE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomKind:
    """One kind of room."""

    name: KindName
    created_by: Creator
    #: Whether the room has an alias, by which the bridge finds it again.
    alias: bool
    named_after: NamedAfter
    listed_in: Listing
    addressing: Addressing
    on_retirement: Retirement


_KINDS = (
    RoomKind(
        name=KindName.HOME,
        created_by=Creator.GHOST,
        alias=True,
        named_after=NamedAfter.AGENT,
        listed_in=Listing.SPACE,
        addressing=Addressing.OWNER,
        on_retirement=Retirement.KEEP,
    ),
    RoomKind(
        name=KindName.CHAT,
        created_by=Creator.GHOST,
        alias=False,
        named_after=NamedAfter.CONVERSATION,
        listed_in=Listing.SPACE,
        addressing=Addressing.OWNER,
        on_retirement=Retirement.KEEP,
    ),
    RoomKind(
        name=KindName.DM,
        created_by=Creator.PERSON,
        alias=False,
        named_after=NamedAfter.NOTHING,
        listed_in=Listing.NOWHERE,
        addressing=Addressing.OWNER,
        on_retirement=Retirement.KEEP,
    ),
    RoomKind(
        name=KindName.GROUP,
        created_by=Creator.PERSON,
        alias=False,
        named_after=NamedAfter.NOTHING,
        listed_in=Listing.NOWHERE,
        addressing=Addressing.MENTION_OR_REPLY,
        on_retirement=Retirement.LEAVE,
    ),
    RoomKind(
        name=KindName.CHANNEL,
        created_by=Creator.BOT,
        alias=True,
        named_after=NamedAfter.CONVERSATION,
        listed_in=Listing.CHANNEL,
        addressing=Addressing.MENTION_OR_REPLY,
        on_retirement=Retirement.LEAVE,
    ),
    RoomKind(
        name=KindName.BOT,
        created_by=Creator.PERSON,
        alias=False,
        named_after=NamedAfter.NOTHING,
        listed_in=Listing.NOWHERE,
        addressing=Addressing.BOT,
        on_retirement=Retirement.KEEP,
    ),
)
#: Every kind of room, by its name.
KINDS: Mapping[KindName, RoomKind] = {kind.name: kind for kind in _KINDS}


def addressees(event: RoomEvent, room: Room, namespace: Namespace) -> tuple[Participant, ...]:
    """Return the agents in *room* that have to answer the message *event*, in the order of the room's participants."""
    present = (each for each in room.participants if each.state is ParticipantState.JOINED)
    match KINDS[room.kind].addressing:
        case Addressing.OWNER:
            return tuple(each for each in present if each.agent == room.owner)
        case Addressing.MENTION_OR_REPLY:
            replied_to = room.answered_by.get(event.replies_to or "")
            mentions = event.mentions
            return tuple(
                each for each in present if each.agent == replied_to or namespace.user_id(each.ghost) in mentions
            )
        case Addressing.BOT:
            return ()
