"""Sets the state of rooms: names, topics and avatars stay if a person chose them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


async def edit_state(
    homeserver: Homeserver,
    state: RoomState,
    kind: str,
    content: dict[str, Any],
    ghost: str | None = None,
    *,
    key: str = "",
) -> None:
    """Set a state event of a room as *ghost*, or as the bot if only the bot may, or without *ghost*.

    Raises:
        HomeserverRefused: neither of them may set it.
    """
    bot = homeserver.namespace.bot
    editor = bot if ghost is None else state.editor(kind, ghost, bot)
    await homeserver.set_state(state.room_id, kind, content, key=key, as_user=editor)


async def set_field(
    homeserver: Homeserver,
    state: RoomState,
    kind: str,
    field: str,
    value: str,
    applied: str | None,
    ghost: str | None = None,
) -> None:
    """Set the state event *kind* of a room to *value* in *field*, unless it is already set or a person chose it.

    *applied* is the value that the bridge gave the room last. The user is that of :func:`edit_state`.

    Raises:
        HomeserverRefused: the user may not set it.
    """
    present = state.content(kind).get(field)
    if present == value:
        return
    if chosen_by_person(state, kind, homeserver.namespace, is_applied=present == applied):
        log = _log.debug if applied == value else _log.info
        log("state kept: a person chose it", room=state.room_id, kind=kind)
    else:
        await edit_state(homeserver, state, kind, {field: value}, ghost)
