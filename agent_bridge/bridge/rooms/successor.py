"""Follows the upgrade of a room (spec, "Room upgrades") into the room that replaces it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.invitations import try_invite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState

_log = structlog.stdlib.get_logger(__name__)

_FOREIGN = "This room does not name the room that it claims to replace."


async def enter_successor(homeserver: Homeserver, old: RoomState, users: Sequence[str]) -> RoomState | None:
    """Have *users* join the room that replaces *old*; return its state, None if none of them can enter.

    The homeserver checked that the sender of the tombstone has the power for it. A room that does not name *old* as its
    predecessor replaces nothing: the users that joined it leave it again.
    """
    new = old.replacement
    if new is None:
        return None
    joined: list[str] = []
    successor: RoomState | None = None
    for user in users:
        state = await homeserver.room_state(new, user)
        if state is None and await homeserver.can_join(new, user):
            joined.append(user)
            state = await homeserver.room_state(new, user)
        if state is not None and state.predecessor == old.room_id:
            successor = state
    if successor is None:
        for user in joined:
            _log.warning("a room claims to replace another one and does not name it", room=new, replaces=old.room_id)
            await homeserver.leave(new, _FOREIGN, user)
    return successor


async def invite_members(homeserver: Homeserver, old: RoomState, new: RoomState, sender: str) -> None:
    """Have *sender* invite the people of *old* into *new*: the homeserver does not take them along.

    An invitation to *old* that is not answered yet counts.
    """
    known = new.members("join", "invite", "ban")
    people = sorted(old.members("join", "invite") - known)
    for user_id in homeserver.namespace.local_first(people):
        if not homeserver.namespace.is_ours(user_id):
            await try_invite(homeserver, new.room_id, user_id, sender)
