"""Invites the people of ``rooms.invite`` whom a change of the configuration or a role adds. A duty of the leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.core.agents import AgentState
from agent_bridge.core.roles import Role
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.bridge.rooms.access import Access
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.conversations import RoomsConfig
    from agent_bridge.core.live import Live
    from agent_bridge.core.roles import Roles
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.postgres.signals import Signals


class Invitations:
    """Has the Space compared after a change, and the rooms that people cannot enter from there.

    *request* has an agent compared with the homeserver. The comparison invites each person once. *refresh* reads the
    newest roles.
    """

    def __init__(
        self,
        agents: Agents,
        space: Space,
        access: Access,
        request: Callable[[int], None],
        config: Live[RoomsConfig],
        roles: Roles,
        refresh: Callable[[], Awaitable[None]],
        signals: Signals,
    ) -> None:
        self._agents = agents
        self._space = space
        self._access = access
        self._request = request
        self._config = config
        self._roles = roles
        self._refresh = refresh
        self._signals = signals
        self._done: tuple[str, ...] = ()

    async def run(self) -> None:
        """Look after each change of the configuration or of roles, until cancelled."""
        # The comparisons at the start invite these.
        self._done = self._people()
        with self._signals.subscription(Topic.CONFIGURATION, Topic.ROLES) as wake:
            await every(FALLBACK, self._look, name="invitations", wake=wake)

    def _people(self) -> tuple[str, ...]:
        return tuple(user for user in self._config.value.invite if self._roles.of(user) is not Role.NONE)

    async def _look(self) -> None:
        people = self._people()
        if len(people) < len(self._config.value.invite):
            # Somebody waits for a role. The same signal has another part read the roles, perhaps later.
            await self._refresh()
            people = self._people()
        if people == self._done:
            return
        self._space.look_again()
        space = await self._space.room_id()
        if not self._access.restricts(space):
            for agent_room in await self._agents.all():
                agent, home = agent_room.agent, agent_room.home
                is_open = agent.state is AgentState.ACTIVE and home.room_id is not None
                if is_open and not home.invited.issuperset(people):
                    self._request(agent.id)
        self._done = people
