"""Sets names and topics of rooms, unless a person chose another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import structlog

if TYPE_CHECKING:
    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState

_log = structlog.stdlib.get_logger(__name__)


def chosen_by_person(state: RoomState, kind: str, namespace: Namespace, *, is_applied: bool) -> bool:
    """Tell whether a person chose the state event *kind* of a room, by its sender.

    The homeserver copies state into the room that replaces an upgraded one, and the person who upgraded it is the
    sender. Such a copy counts as chosen only if it differs from the bridge's last value (*is_applied* False).
    """
    sender = state.sender(kind)
    if sender is None or namespace.is_ours(sender):
        return False
    is_copy = state.predecessor is not None and sender == state.sender("m.room.create")
    return not (is_copy and is_applied)


async def rename_room(
    homeserver: Homeserver,
    state: RoomState,
    key: Literal["name", "topic"],
    text: str,
    applied: str | None,
    as_user: str | None = None,
) -> None:
    """Set the name or topic of a room to *text*, unless it is already set or a person chose another one.

    *applied* is the text that the bridge gave the room last.
    """
    kind = f"m.room.{key}"
    present = state.content(kind).get(key)
    if present == text:
        return
    if chosen_by_person(state, kind, homeserver.namespace, is_applied=present == applied):
        log = _log.debug if applied == text else _log.info
        log("name or topic kept: a person chose it", room=state.room_id, key=key)
    else:
        await homeserver.set_state(state.room_id, kind, {key: text}, as_user=as_user)
