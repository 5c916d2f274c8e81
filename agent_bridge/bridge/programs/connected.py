"""Agents that connect themselves are online while a program of theirs is connected."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.client_agents import CLIENTS, EPHEMERAL_CLIENTS
from agent_bridge.core.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.agents import Agent
    from agent_bridge.core.programs import Token
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.client_agents import ClientAgents

_log = structlog.stdlib.get_logger(__name__)

#: Seconds after which the presence is set again: Synapse forgets it after 35.
_REFRESH = 20.0
_UPSTREAMS = frozenset({CLIENTS, EPHEMERAL_CLIENTS})


class ConnectedAgents:
    """Counts the connections of this process. *shows_presence*: the configuration does not switch presence off."""

    def __init__(
        self, agents: Agents, store: ClientAgents, homeserver: Homeserver, *, shows_presence: bool = True
    ) -> None:
        self._agents = agents
        self._store = store
        self._homeserver = homeserver
        self._shows_presence = shows_presence
        self._connections: Counter[int] = Counter()
        self._keeping: dict[int, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def connected(self, token: Token) -> AsyncIterator[None]:
        """Show the agent of *token* as online for the length of the block, if it connects itself.

        Raises:
            StoreError: the agent cannot be read.
        """
        agent = None if token.agent is None else (await self._agents.by_agent(token.agent)).agent
        if agent is None or agent.upstream not in _UPSTREAMS:
            yield
            return
        self._connections[agent.id] += 1
        if self._connections[agent.id] == 1:
            self._keeping[agent.id] = asyncio.create_task(self._keep(agent))
        try:
            yield
        finally:
            self._connections[agent.id] -= 1
            if not self._connections[agent.id]:
                del self._connections[agent.id]
                keeping = self._keeping.pop(agent.id)
                keeping.cancel()
                await asyncio.wait([keeping])

    async def _keep(self, agent: Agent) -> None:
        """Note that *agent* is connected, again and again. The homeserver finds the end by itself."""
        ghost = self._homeserver.namespace.user_id(agent.ghost)
        while True:
            try:
                await self._store.seen(agent.model)
                if self._shows_presence:
                    shown = (await self._agents.by_agent(agent.id)).agent
                    await self._homeserver.presence(ghost, shown.presence, shown.status_text or "")
            except BridgeError as error:
                _log.info("an agent that is connected is not shown as online", ghost=ghost, error=str(error))
            await asyncio.sleep(_REFRESH)
