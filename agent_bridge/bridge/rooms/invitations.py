"""Invitations: of people, by the configuration or because a person asks, and of the bridge's own users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.matrix.rooms import LEFT, REMOVED
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom

_log = structlog.stdlib.get_logger(__name__)


async def try_invite(homeserver: Homeserver, room_id: str, user_id: str, as_user: str | None = None) -> bool:
    """Invite a person as *as_user* (default: the bot); tell whether the homeserver accepted it. A refusal is logged."""
    try:
        await homeserver.invite(room_id, user_id, as_user)
    except HomeserverRefused as error:
        _log.warning("cannot invite", user=user_id, room=room_id, error=str(error))
        return False
    return True


async def bring_in(homeserver: Homeserver, room_id: str, user: str, helper: str) -> bool:
    """Have *user*, one of the bridge's own, join a room, invited by *helper* if needed; tell whether it joined."""
    try:
        try:
            await homeserver.join(room_id, user)
        except HomeserverRefused:
            await homeserver.invite(room_id, user, helper)
            await homeserver.join(room_id, user)
    except HomeserverRefused as error:
        _log.warning("cannot enter a room", user=user, room=room_id, error=str(error))
        return False
    return True


async def may_enter(homeserver: Homeserver, kv: KeyValues, agent_room: AgentRoom, person: str) -> bool:
    """Tell whether *person* was invited before, or could enter an agent's room as it is now; a removed person cannot.

    A person who asked the bridge to leave the room may come back.

    Where the members of the Space can enter, a person can too whom the bridge had invited to the Space, and who left
    it, declined, or had no role for a time.
    """
    home, ghost = agent_room.home, homeserver.namespace.user_id(agent_room.agent.ghost)
    room_id = home.room_id or ""
    state = await homeserver.room_state(room_id) or await homeserver.room_state(room_id, ghost)
    if state is None or state.is_removed(person):
        return False
    if person in home.invited or state.asked_to_leave(person):
        return True
    # An administrator may have changed the rule.
    if home.space is None or home.space not in state.rooms_that_let_in:
        return False
    member = await homeserver.state(home.space, "m.room.member", person) or {}
    content = member.get("content", {})
    if content.get("membership") != "leave":
        return content.get("membership") in ("join", "invite")
    went = member.get("sender") == person or True in (content.get(REMOVED), content.get(LEFT))
    return went and person in (await kv.get(KeyValues.SPACE_INVITED) or [])


async def invite_home(homeserver: Homeserver, agent_room: AgentRoom, person: str) -> bool:
    """Have the ghost invite *person* to a direct conversation in its room; False: the person is a member already.

    Raises:
        HomeserverRefused: neither the ghost nor the bot may invite.
    """
    room_id, ghost = agent_room.home.room_id or "", homeserver.namespace.user_id(agent_room.agent.ghost)
    try:
        return await homeserver.invite_directly(room_id, person, ghost)
    except HomeserverRefused:
        # The ghost lacks the power, or is not in the room.
        return await homeserver.invite(room_id, person)
