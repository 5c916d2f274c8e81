"""Sets names and topics of rooms, unless a person chose another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import structlog

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)


async def rename_room(
    homeserver: Homeserver,
    room_id: str,
    key: Literal["name", "topic"],
    text: str,
    as_user: str | None = None,
) -> None:
    """Set the name or topic of a room, unless it is already set or a person chose another one.

    The sender of the state event shows whether a person chose it. It is read from the homeserver, because the bridge
    may have missed an event.
    """
    kind = f"m.room.{key}"
    event = await homeserver.state(room_id, kind, as_user=as_user)
    if event is not None and not homeserver.namespace.is_ours(event["sender"]):
        _log.info("name or topic kept: a person chose it", room=room_id, key=key)
        return
    if event is None or event["content"].get(key) != text:
        await homeserver.set_state(room_id, kind, {key: text}, as_user=as_user)
