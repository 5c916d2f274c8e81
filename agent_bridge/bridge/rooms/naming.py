"""Names of rooms: the bridge's, unless a person chose another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import structlog

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)


async def rename_room(
    homeserver: Homeserver,
    room_id: str,
    what: Literal["name", "topic"],
    text: str,
    as_user: str | None = None,
) -> None:
    """Give a room its name or topic, unless it has it already or a person gave it another.

    The room itself is asked who named it: what it knows cannot have been missed.
    """
    kind = f"m.room.{what}"
    event = await homeserver.state(room_id, kind, as_user=as_user)
    if event is not None and not homeserver.namespace.is_ours(event["sender"]):
        _log.info("a person chose this, so it stays", room=room_id, what=what)
        return
    if event is None or event["content"].get(what) != text:
        await homeserver.set_state(room_id, kind, {what: text}, as_user=as_user)
