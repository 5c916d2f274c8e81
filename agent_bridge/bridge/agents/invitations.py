"""Invites the people whom a change of the configuration adds to ``rooms.invite``. A duty of the leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.core.agents import AgentState
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.bridge.rooms.access import Access
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.conversations import RoomsConfig
    from agent_bridge.core.live import Live
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.postgres.signals import Signals


class Invitations:
    """Has the Space compared after a change, and the rooms that people cannot enter from there.

    *request* has an agent compared with the homeserver. The comparison invites each person once.
    """

    def __init__(
        self,
        agents: Agents,
        space: Space,
        access: Access,
        request: Callable[[int], None],
        config: Live[RoomsConfig],
        signals: Signals,
    ) -> None:
        self._agents = agents
        self._space = space
        self._access = access
        self._request = request
        self._config = config
        self._signals = signals
        self._done: tuple[str, ...] = ()

    async def run(self) -> None:
        """Look after each change of the configuration, until cancelled."""
        # The comparisons at the start invite these.
        self._done = self._config.value.invite
        with self._signals.subscription(Topic.CONFIGURATION) as wake:
            await every(FALLBACK, self._look, name="invitations", wake=wake)

    async def _look(self) -> None:
        people = self._config.value.invite
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
