"""Answers the homeserver's questions whether a ghost or the room of an agent exists: it does if the agent is active."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.home_rooms import HomeRooms
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)


class AgentQueries:
    """Makes the ghost or the room of an active agent on a query, before the provisioner does.

    The homeserver asks while it carries out a request, perhaps one of the provisioner: this class waits for no other
    part of the bridge, and makes no request that asks again.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        agents: Agents,
        home_rooms: HomeRooms,
        space: Space,
        signals: Signals,
        *,
        private: bool,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._agents = agents
        self._home_rooms = home_rooms
        self._space = space
        self._signals = signals
        self._private = private

    async def has_user(self, user_id: str) -> bool:
        """Tell whether *user_id* is the ghost of an active agent, which has an account then.

        Raises:
            HomeserverError, StoreError: it is not known.
        """
        agent_room = await self._find(user_id)
        if agent_room is None:
            return False
        await self._provide_ghost(agent_room)
        return True

    async def has_alias(self, alias: str) -> bool:
        """Tell whether *alias* is that of an active agent whose room had to be made: the room has the alias then.

        Raises:
            HomeserverError, StoreError: it is not known.
        """
        agent_room = None if self._private else await self._find(alias)
        # The homeserver does not know the alias. If the agent has a room, the provisioner gives it the alias again.
        if agent_room is None or agent_room.home.room_id is not None:
            return False
        await self._provide_ghost(agent_room)
        await self._home_rooms.make_early(agent_room, await self._space.known())
        self._signals.send(Topic.AGENTS)
        _log.info("a room is made for a query", agent=agent_room.agent.name, alias=alias)
        return True

    async def _find(self, name: str) -> AgentRoom | None:
        """Return the active agent with the user id or the alias *name*."""
        localpart, _, domain = name[1:].partition(":")
        if name.startswith("#"):
            ghost = self._namespace.ghost_of_alias(localpart)
            # The room that is made has no alias of an earlier version.
            localpart = ghost if self._namespace.home_alias_localpart(ghost) == localpart else ""
        found = await self._agents.by_ghost(localpart) if domain == self._namespace.domain else None
        return found if found is not None and found.agent.state is AgentState.ACTIVE else None

    async def _provide_ghost(self, agent_room: AgentRoom) -> None:
        agent, user_id = agent_room.agent, self._namespace.user_id(agent_room.agent.ghost)
        await self._homeserver.register(agent.ghost)
        if agent.displayname_applied is None:
            try:
                await self._homeserver.set_displayname(user_id, agent.displayname)
            except HomeserverRefused as error:
                # The provisioner reports it.
                _log.info("a ghost has no display name yet", user=user_id, error=str(error))
