"""Private rooms (``rooms.private``): people get direct chats with each agent, in place of one shared room."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, every
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import HomeserverRefused, ServerOutOfReach
from agent_bridge.core.roles import Role
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.config.conversations import RoomsConfig
    from agent_bridge.core.live import Live
    from agent_bridge.core.roles import Roles
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: Seconds after which a person is tried again whose server does not answer.
_AWAY = 600.0


class PrivateRooms:
    """Opens a direct chat for each person in ``rooms.invite`` and each active agent, once: the person may leave it.

    A person without a role gets none, because agents would not answer. One whose server does not answer waits; the
    others do not wait for it. *refresh* reads the newest roles.
    """

    def __init__(
        self,
        direct: DirectChats,
        agents: Agents,
        config: Live[RoomsConfig],
        roles: Roles,
        refresh: Callable[[], Awaitable[None]],
        signals: Signals,
    ) -> None:
        self._direct = direct
        self._agents = agents
        self._config = config
        self._roles = roles
        self._refresh = refresh
        self._signals = signals
        #: Row ids of agents, and people, whose room the homeserver has refused.
        self._refused: set[tuple[int, str]] = set()
        #: The end of the time in which a person is not tried whose server does not answer, by a monotonic clock.
        self._away: dict[str, float] = {}

    async def run(self) -> None:
        """Open the direct chats that are due, until cancelled."""
        with self._signals.subscription(Topic.AGENTS, Topic.CONFIGURATION, Topic.ROLES) as wake:
            await every(FALLBACK, self._look, name="private rooms", wake=wake, rest=LONG_REST)

    async def _look(self) -> float | None:
        """Open what is due, a few rooms at a time. Rooms that fail wait for the next look.

        Return the seconds until a person may be tried again whose server did not answer.

        Raises:
            HomeserverUnavailable, StoreError: the rest waits for the next look.
        """
        invited = self._config.value.invite
        if any(self._roles.of(person) is Role.NONE for person in invited):
            # Somebody waits for a role. The same signal has another part read the roles, perhaps later.
            await self._refresh()
        people = [each for each in invited if self._roles.of(each) is not Role.NONE and not self._is_away(each)]
        due = [
            (agent_room, person)
            for agent_room in await self._agents.all()
            if agent_room.agent.state is AgentState.ACTIVE
            for person in people
            if person not in agent_room.home.invited and (agent_room.agent.id, person) not in self._refused
        ]
        limit = asyncio.Semaphore(self._config.value.concurrency)
        results = await asyncio.gather(*(self._open(*each, limit) for each in due), return_exceptions=True)
        failures = [each for each in results if isinstance(each, BaseException)]
        if failures:
            raise failures[0]
        now = time.monotonic()
        return min((until - now for until in self._away.values() if until > now), default=None)

    def _is_away(self, person: str) -> bool:
        return time.monotonic() < self._away.get(person, 0.0)

    async def _open(self, agent_room: AgentRoom, person: str, limit: asyncio.Semaphore) -> None:
        async with limit:
            if self._is_away(person):
                return
            try:
                await self._direct.open(agent_room.agent, person)
            except ServerOutOfReach as error:
                log = _log.debug if person in self._away else _log.warning
                log("a person gets no private rooms yet", user=person, error=str(error))
                self._away[person] = time.monotonic() + _AWAY
                return
            except HomeserverRefused as error:
                # The next start tries it again.
                self._refused.add((agent_room.agent.id, person))
                _log.warning("a person gets no private room", user=person, error=str(error))
                return
            await self._agents.invited(agent_room.home.id, person)
