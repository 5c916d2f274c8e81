"""Invitations of several people: a refusal of one does not keep the others out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import HomeserverRefused

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)


async def try_invite(homeserver: Homeserver, room_id: str, user_id: str, as_user: str | None = None) -> bool:
    """Invite a person as *as_user* (default: the bot); tell whether the homeserver accepted it. A refusal is logged."""
    try:
        await homeserver.invite(room_id, user_id, as_user)
    except HomeserverRefused as error:
        _log.warning("cannot invite", user=user_id, room=room_id, error=str(error))
        return False
    return True
