"""Presence by default: the bot is online, and each ghost while it answers and for some minutes afterwards.

The presence of a user that does not sync lapses, as in :mod:`agent_bridge.bridge.agents.presence`. So a ghost that is
not active any more needs no request.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.agents.presence import REFRESH, REFUSED, REQUEST_TIMEOUT, limited, shows_presence
from agent_bridge.bridge.queue.periodic import every
from agent_bridge.bridge.queue.supervision import run_endless
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents

_log = structlog.stdlib.get_logger(__name__)

#: Seconds after its last answer for which a ghost counts as active.
ACTIVE = 300.0
#: Number of agents above which no ghost is shown.
MOST_AGENTS = 200
#: Seconds between two looks for active ghosts. The messages and typing notices of a ghost show it as online at once.
_LOOK = 10.0
_AWAY = Backoff(first=1, cap=30)


class ActivityPresence:
    """Sets the presence of one user after the other, at most *per_second* requests a second."""

    def __init__(
        self,
        homeserver: Homeserver,
        agents: Agents,
        texts: Texts,
        *,
        per_second: float,
        refresh: float = REFRESH,
        most_agents: float = MOST_AGENTS,
    ) -> None:
        self._homeserver = homeserver
        self._agents = agents
        self._texts = texts
        self._pause = 1 / per_second
        self._refresh = refresh
        self._most_agents = int(most_agents)
        #: The presences of the active ghosts and their status texts (None: none was set), by their user ids.
        self._active: Mapping[str, tuple[str, str | None]] = {}
        #: Until when the presence of each user lasts, by a monotonic clock.
        self._until: dict[str, float] = {}
        #: Whether the homeserver shows presence.
        self._visible = True

    async def run(self) -> None:
        """Set presences before they lapse, until cancelled."""
        self._until.clear()
        await run_endless(
            activity=every(_LOOK, self._look, name="look for active agents"),
            presence=every(self._pause, self._show, name="presence", retry=_AWAY),
        )

    async def _look(self) -> None:
        user_id = self._homeserver.namespace.user_id
        active = await self._agents.active(ACTIVE, self._most_agents)
        self._active = {user_id(ghost): shown for ghost, shown in active.items()}

    async def _show(self) -> None:
        """Set the presence that is due, if any: that of the bot first, then the one that has been due the longest."""
        bot, now = self._homeserver.namespace.bot, time.monotonic()
        # While the homeserver shows no presence, only the bot is tried.
        users = [bot, *(sorted(self._active, key=lambda ghost: self._until.get(ghost, 0.0)) if self._visible else ())]
        due = next((user for user in users if self._until.get(user, 0.0) <= now), None)
        if due is None:
            return
        if due == bot and bot in self._until:
            self._visible = await shows_presence(self._homeserver, bot)
        lasts = self._refresh if self._visible else REFUSED
        state, text = self._active.get(due, ("online", None))
        try:
            async with limited(REQUEST_TIMEOUT):
                await self._homeserver.presence(due, state, text or self._texts.presence_ready)
        except HomeserverRefused as error:
            _log.info("a presence was refused", user=due, error=str(error))
            lasts = REFUSED
        self._until = {user: until for user, until in self._until.items() if user == bot or user in self._active}
        self._until[due] = now + lasts
