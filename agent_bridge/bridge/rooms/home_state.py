"""Sets the state of an agent's room: names, power levels, guests, alias, and the name of the ghost in the room."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.aliases import repair_alias
from agent_bridge.bridge.rooms.level_repairs import repair_levels
from agent_bridge.core.results.repairs import Part
from agent_bridge.matrix.rooms import BRIDGE, GUESTS, BridgedAgent

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.editor import StateEditor
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import AgentRoom, Agents

_log = structlog.stdlib.get_logger(__name__)

_ALIAS = "m.room.canonical_alias"


def bridged(agent: Agent) -> BridgedAgent:
    """Return the part of *agent* that the state of its rooms names."""
    return BridgedAgent(agent.ghost, agent.agent_id, agent.upstream)


class HomeState:
    """Repairs the state of rooms. Every method raises :class:`HomeserverRefused` if the homeserver refuses a change."""

    def __init__(self, homeserver: Homeserver, namespace: Namespace, agents: Agents, roles: Roles) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._agents = agents
        self._roles = roles

    async def names(self, editor: StateEditor, agent_room: AgentRoom, state: RoomState, ghost: str) -> None:
        """Set the name and the topic of the room. The homeserver may have been restored from an older backup."""
        home = agent_room.home
        await self.name(editor, agent_room, state, ghost, home.name)
        await editor.field(state, "m.room.topic", "topic", home.topic, home.topic_applied, ghost)
        if home.topic_applied != home.topic and not editor.is_dry:
            await self._agents.topic_applied(home.id, home.topic)

    async def name(self, editor: StateEditor, agent_room: AgentRoom, state: RoomState, ghost: str, name: str) -> None:
        """Set the name of the room to *name*."""
        home = agent_room.home
        await editor.field(state, "m.room.name", "name", name, home.name_applied, ghost)
        if home.name_applied != name and not editor.is_dry:
            await self._agents.name_applied(home.id, name)

    async def bridge(self, editor: StateEditor, state: RoomState, agent: Agent) -> bool:
        """Name the bridge and the agent; tell whether the state changed."""
        bridged_agent, ghost = bridged(agent), self._namespace.user_id(agent.ghost)
        content = bridged_agent.content(self._namespace.bot)
        return await editor.content(state, BRIDGE, content, ghost, key=bridged_agent.key)

    async def powers(self, editor: StateEditor, state: RoomState, ghost: str) -> bool:
        """Repair the power levels, and keep guests out; tell whether anything changed."""
        changed = await repair_levels(editor, state, self._namespace.bot, self._roles, ghost)
        return await editor.content(state, GUESTS, {"guest_access": "forbidden"}, ghost) or changed

    async def alias(self, editor: StateEditor, state: RoomState, ghost: str) -> None:
        """Let the alias of the home of *ghost* point to the room, and name it in the room's state."""
        user, (alias, *former) = self._namespace.user_id(ghost), self._namespace.home_aliases(ghost)
        await repair_alias(self._homeserver, editor, alias, state.room_id, user)
        if state.content(_ALIAS).get("alias") == alias:
            return
        # Links with an alias of an earlier version go on to work.
        kept = [each for each in former if await self._homeserver.resolve_alias(each) == state.room_id]
        await editor.content(state, _ALIAS, {"alias": alias} | ({"alt_aliases": kept} if kept else {}), user)

    async def displayname(
        self, editor: StateEditor, state: RoomState, ghost: str, displayname: str, *, in_profile: bool
    ) -> None:
        """Give the ghost its display name, if the room shows another one.

        *in_profile* False: the homeserver refuses names in profiles, and the ghost gets it in this room only.
        """
        member = state.content("m.room.member", ghost)
        if state.membership(ghost) != "join" or member.get("displayname") == displayname:
            return
        if not in_profile:
            avatar = {"avatar_url": member["avatar_url"]} if member.get("avatar_url") else {}
            content = {"membership": "join", "displayname": displayname, **avatar}
            set_in_room = partial(
                self._homeserver.set_state, state.room_id, "m.room.member", content, key=ghost, as_user=ghost
            )
            await editor.step(Part.GHOST_NAME, set_in_room)
        elif await self._homeserver.displayname(ghost) != displayname:
            # Set by an administrator of the homeserver. The homeserver carries a change into the room some time later.
            await editor.step(Part.GHOST_NAME, partial(self._homeserver.set_displayname, ghost, displayname))
