"""Filters of the client-server API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_bridge.core.ids import Namespace

#: Types of the events that may become a turn.
_TYPES = ["m.room.message", "m.room.encrypted", "m.room.member"]


def said_by_others(namespace: Namespace, ghost: str | None) -> dict[str, Any]:
    """Return the ``RoomEventFilter`` of the events that may become a turn.

    It leaves out the events of the bridge bot and of *ghost* (a user id).
    """
    return {"types": _TYPES, "not_senders": [namespace.bot, *([ghost] if ghost else [])]}
