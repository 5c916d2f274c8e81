"""The kinds of rooms: a table of their differences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from agent_bridge.core.rooms import KindName, ParticipantState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.rooms import Participant, Room


class Addressing(Enum):
    """Which messages of a room are for an agent."""

    #: All of them, for the agent whose own room it is.
    OWNER = auto()
    #: Those that mention an agent, call it by its name or reply to its message, and those of a thread in which it takes
    #: part: for each such agent (see :mod:`agent_bridge.bridge.rooms.addressing`).
    ADDRESSED = auto()
    #: None: all of them are commands for the bridge bot.
    BOT = auto()


@dataclass(frozen=True, slots=True)
class RoomKind:
    """One kind of room."""

    name: KindName
    addressing: Addressing
    #: Whether the bridge makes the rooms of this kind.
    is_ours: bool = False

    @property
    def shows_questions(self) -> bool:
        """Whether an answer is a reply to its question: among several agents people need it."""
        return self.addressing is Addressing.ADDRESSED


_KINDS = (
    RoomKind(KindName.HOME, Addressing.OWNER, is_ours=True),
    RoomKind(KindName.CHAT, Addressing.OWNER),
    RoomKind(KindName.DM, Addressing.OWNER),
    RoomKind(KindName.PAIR, Addressing.ADDRESSED, is_ours=True),
    RoomKind(KindName.GROUP, Addressing.ADDRESSED),
    RoomKind(KindName.LOBBY, Addressing.ADDRESSED, is_ours=True),
    RoomKind(KindName.CHANNEL, Addressing.ADDRESSED, is_ours=True),
    RoomKind(KindName.SERVER, Addressing.ADDRESSED, is_ours=True),
    RoomKind(KindName.BOT, Addressing.BOT),
)
#: Every kind of room, by its name.
KINDS: Mapping[KindName, RoomKind] = {kind.name: kind for kind in _KINDS}


def has_agents(room: Room | None) -> bool:
    """Tell whether agents take part in *room*."""
    return room is not None and bool(room.participants)


def sole_agent(room: Room | None) -> Participant | None:
    """Return the agent whose own room *room* is, or its only agent; None if there is no such agent."""
    if room is None:
        return None
    present = [each for each in room.participants if each.state is ParticipantState.JOINED]
    agents = [each for each in present or room.participants if room.owner in {None, each.agent}]
    return agents[0] if len(agents) == 1 else None


def has_owner(room: Room | None) -> bool:
    """Tell whether every message in *room* is for its agent."""
    return room is not None and room.owner is not None and KINDS[room.kind].addressing is Addressing.OWNER


def is_bots(room: Room | None) -> bool:
    """Tell whether every message in *room* is a command for the bridge bot."""
    return room is not None and KINDS[room.kind].addressing is Addressing.BOT


def is_of_several(room: Room | None) -> bool:
    """Tell whether several agents may be in *room*, and ask each other."""
    return room is not None and is_of_several_kind(room.kind)


def is_of_several_kind(kind: KindName | None) -> bool:
    """Tell whether several agents may be in a room of *kind*; None: of a room that the bridge does not know."""
    return kind is not None and KINDS[kind].addressing is Addressing.ADDRESSED


def has_only_commands(room: Room) -> bool:
    """Tell whether no agent is asked by a message in *room*: a number there can only be the answer to a list."""
    return room.is_unbound or is_bots(room)


def is_watched(room: Room | None) -> bool:
    """Tell whether a person may expect an answer to any message in *room*."""
    return has_agents(room) or (room is not None and has_only_commands(room))


def takes_bare_commands(room: Room | None) -> bool:
    """Tell whether ``!`` and the word of a command is one in *room*: the bridge made it, or no agent is there yet."""
    return room is not None and (room.is_unbound or is_made(room))


def is_made(room: Room) -> bool:
    """Tell whether the bridge made *room*; a lobby counts, also one that the configuration names."""
    is_chat = room.is_ours or (room.kind is KindName.CHAT and room.person is not None)
    return is_chat or KINDS[room.kind].is_ours
