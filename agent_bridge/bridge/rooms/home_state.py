"""Sets the state of an agent's room: names, power levels, guests, alias, and the name of the ghost in the room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.naming import edit_state, set_field
from agent_bridge.bridge.rooms.power_levels import repaired_levels
from agent_bridge.matrix.rooms import GUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import AgentRoom, Agents

_log = structlog.stdlib.get_logger(__name__)

_ALIAS = "m.room.canonical_alias"


class HomeState:
    """Repairs the state of rooms. Every method raises :class:`HomeserverRefused` if the homeserver refuses a change."""

    def __init__(self, homeserver: Homeserver, namespace: Namespace, agents: Agents, powers: Mapping[str, int]) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._agents = agents
        self._powers = powers

    async def names(self, agent_room: AgentRoom, state: RoomState, ghost: str) -> None:
        """Set the name and the topic of the room. The homeserver may have been restored from an older backup."""
        home = agent_room.home
        await set_field(self._homeserver, state, "m.room.name", "name", home.name, home.name_applied, ghost)
        if home.name_applied != home.name:
            await self._agents.name_applied(home.id, home.name)
        await set_field(self._homeserver, state, "m.room.topic", "topic", home.topic, home.topic_applied, ghost)
        if home.topic_applied != home.topic:
            await self._agents.topic_applied(home.id, home.topic)

    async def powers(self, state: RoomState, ghost: str) -> bool:
        """Repair the power levels, and keep guests out; tell whether anything changed."""
        changed = False
        repair = repaired_levels(state, self._namespace.bot, self._powers, ghost)
        if repair is not None:
            editor, levels = repair
            _log.info("repairing the power levels of a room", room=state.room_id, editor=editor)
            await self._homeserver.set_state(state.room_id, "m.room.power_levels", levels, as_user=editor)
            changed = True
        if state.content(GUESTS).get("guest_access") != "forbidden":
            await edit_state(self._homeserver, state, GUESTS, {"guest_access": "forbidden"}, ghost)
            changed = True
        return changed

    async def alias(self, state: RoomState, localpart: str) -> None:
        """Let the alias *localpart* of the room point to it, and name it in the room's state."""
        alias, ghost = self._namespace.alias(localpart), self._namespace.user_id(localpart)
        target = await self._homeserver.resolve_alias(alias)
        if target != state.room_id:
            _log.warning("repairing the alias of a room", room=state.room_id, alias=alias, pointed_to=target)
            if target is not None:
                await self._homeserver.remove_alias(alias)
            await self._homeserver.add_alias(alias, state.room_id, ghost)
        sender = state.sender(_ALIAS)
        if state.content(_ALIAS).get("alias") != alias and (sender is None or self._namespace.is_ours(sender)):
            await edit_state(self._homeserver, state, _ALIAS, {"alias": alias}, ghost)

    async def displayname(self, state: RoomState, ghost: str, displayname: str, *, in_profile: bool) -> None:
        """Give the ghost its display name, if the room shows another one.

        *in_profile* False: the homeserver refuses names in profiles, and the ghost gets it in this room only.
        """
        member = state.content("m.room.member", ghost)
        if state.membership(ghost) != "join" or member.get("displayname") == displayname:
            return
        if not in_profile:
            avatar = {"avatar_url": member["avatar_url"]} if member.get("avatar_url") else {}
            content = {"membership": "join", "displayname": displayname, **avatar}
            await self._homeserver.set_state(state.room_id, "m.room.member", content, key=ghost, as_user=ghost)
        elif await self._homeserver.displayname(ghost) != displayname:
            # Set by an administrator of the homeserver. The homeserver carries a change into the room some time later.
            await self._homeserver.set_displayname(ghost, displayname)
