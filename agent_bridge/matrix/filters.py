"""Filters of the client-server API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.polls import POLL_ENDS, POLL_RESPONSES
from agent_bridge.matrix.said import LIVE_LOCATIONS, SPOKEN_TYPES

if TYPE_CHECKING:
    from agent_bridge.core.ids import Namespace

#: Types of the events that may become a turn, change one, or vote.
_TYPES = [
    "m.room.message",
    "m.room.encrypted",
    "m.room.member",
    "m.room.redaction",
    "m.reaction",
    *POLL_RESPONSES,
    *POLL_ENDS,
    *SPOKEN_TYPES,
    *LIVE_LOCATIONS,
]


def said_by_others(namespace: Namespace, *ghosts: str, relayed: bool = False) -> dict[str, Any]:
    """Return the ``RoomEventFilter`` of the events that may become a turn.

    It leaves out the events of the user who shows earlier messages and, unless the room may have *relayed* events, of
    the bridge bot and of *ghosts* (user ids).
    """
    others = [namespace.imported] if relayed else [namespace.bot, namespace.imported, *ghosts]
    return {"types": _TYPES, "not_senders": others}
