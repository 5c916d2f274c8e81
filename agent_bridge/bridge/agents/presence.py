"""Presence: an agent is shown as online while its upstream answers, and as unavailable while it does not.

Synapse 1.163 counts a user who does not sync as offline about 35 s after the presence was set, also a user of a bridge,
and keeps the status message. So a presence that should last is set again before; when the bridge ends, nothing has to
be set. Other requests of an unavailable ghost (typing, receipts, messages) show it as online until then.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, every
from agent_bridge.core.agents import presence_of
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.client_agents import CLIENT
from agent_bridge.core.errors import HomeserverError, HomeserverRefused, HomeserverUnavailable
from agent_bridge.i18n.catalogue import Text
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
    from agent_bridge.core.upstreams import Health
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two rounds at least.
_ROUND = 0.5
#: Ghosts that are set in one round, and of these at the same time: many agents are spread over many rounds.
_AT_ONE_ROUND, _TOGETHER = 50, 4
#: Seconds after which a presence is set again.
REFRESH = 20.0
#: Seconds until the next try for a ghost whose presence was refused, or could not be set though the homeserver answers.
REFUSED, _FAILED = 600.0, 30.0
#: Seconds that one request may take.
REQUEST_TIMEOUT = 10.0
_AWAY = Backoff(first=1, cap=5)


@dataclass(frozen=True, slots=True)
class DesiredPresence:
    """How a ghost should be shown: a ``presence`` of the Matrix spec, and the status message beside it."""

    state: str
    message: str = ""


_OFFLINE = DesiredPresence("offline")


@dataclass(frozen=True, slots=True)
class _Shown:
    """The presence that a ghost was set to last."""

    desired: DesiredPresence
    #: Until when it is left so, by a monotonic clock.
    until: float
    #: Whether the homeserver accepted it.
    taken: bool


class Presence:
    """Shows how the agents are: first the agents of an upstream whose status changed."""

    def __init__(
        self,
        homeserver: Homeserver,
        upstream_status: UpstreamStatus,
        agents: Agents,
        signals: Signals,
        texts: Texts,
        *,
        refresh: float = REFRESH,
        request_timeout: float = REQUEST_TIMEOUT,
    ) -> None:
        self._homeserver = homeserver
        self._upstream_status = upstream_status
        self._agents = agents
        self._signals = signals
        self._texts = texts
        self._refresh = refresh
        self._request_timeout = request_timeout
        #: The upstream of each ghost (a user id) to be shown, and the status of the upstreams, as read last.
        self._upstreams: dict[str, str] = {}
        #: The status texts that agents have set, and which of them are to be shown as away, by their ghosts.
        self._texts_of: dict[str, str] = {}
        self._away: frozenset[str] = frozenset()
        self._healths: list[Health] = []
        self._news = asyncio.Event()
        self._shown: dict[str, _Shown] = {}
        #: Whether the homeserver shows presence to anybody.
        self._visible = True

    async def run(self) -> None:
        """Set presences when they change and before they lapse, until cancelled."""
        # Another process may have led, and set other presences, since this one did.
        self._shown.clear()
        with self._signals.subscription(Topic.UPSTREAMS, Topic.AGENTS, Topic.ROOMS) as wake:
            async with asyncio.TaskGroup() as group:
                read = every(FALLBACK, self._read, name="look at agents for presence", wake=wake, rest=LONG_REST)
                group.create_task(read)
                group.create_task(every(_ROUND, self._show, name="presence", wake=self._news, retry=_AWAY))

    async def _read(self) -> None:
        user_id = self._homeserver.namespace.user_id
        # Those that connect themselves are online while they are connected.
        agents = {user_id(agent.ghost): agent for agent in await self._agents.shown(without=CLIENT)}
        upstreams = {ghost: agent.upstream for ghost, agent in agents.items()}
        texts = {ghost: agent.status_text for ghost, agent in agents.items() if agent.status_text}
        away = frozenset(ghost for ghost, agent in agents.items() if agent.away)
        read = upstreams, texts, away, await self._upstream_status.read()
        if read != (self._upstreams, self._texts_of, self._away, self._healths):
            self._upstreams, self._texts_of, self._away, self._healths = read
            self._news.set()

    async def _show(self) -> float:
        """Set the presences that are due; return the seconds until the next round."""
        desired = self._desired(self._healths)
        due = self._due(desired)
        # The first ghost goes ahead: while its presence is not visible, the others are not tried.
        scout = next((ghost for ghost in desired if ghost not in self._shown or self._shown[ghost].taken), None)
        if scout in due and scout in self._shown:
            await self._find_out(scout)
        if not self._visible and scout is not None:
            due = [ghost for ghost in due if ghost == scout]
        for start in range(0, min(len(due), _AT_ONE_ROUND), _TOGETHER):
            some = due[start : start + _TOGETHER]
            for error in await asyncio.gather(*(self._set(ghost, desired[ghost]) for ghost in some)):
                if error is not None:
                    raise error
        lapse = min((shown.until for shown in self._shown.values()), default=float("inf"))
        return max(_ROUND, lapse - time.monotonic()) if len(due) <= _AT_ONE_ROUND else _ROUND

    def _desired(self, healths: list[Health]) -> dict[str, DesiredPresence]:
        """Return how each ghost should be shown; those of an upstream that was not asked yet stay as they are."""
        ready, by_upstream = DesiredPresence("online", self._texts.presence_ready), {}
        for health in healths:
            if health.ok:
                by_upstream[health.name] = ready
            elif health.error:
                away = self._texts.presence_away.format(upstream=health.name)
                by_upstream[health.name] = DesiredPresence("unavailable", away)
        desired = {
            ghost: self._own(ghost, by_upstream[name]) if by_upstream[name] == ready else by_upstream[name]
            for ghost, name in self._upstreams.items()
            if name in by_upstream
        }
        return desired | dict.fromkeys(self._shown.keys() - self._upstreams.keys(), _OFFLINE)

    def _own(self, ghost: str, ready: DesiredPresence) -> DesiredPresence:
        """Return the presence *ready* as the agent of *ghost* has changed it."""
        state = presence_of(away=ghost in self._away)
        return DesiredPresence(state, self._texts_of.get(ghost, ready.message))

    def _due(self, desired: dict[str, DesiredPresence]) -> list[str]:
        """Return the ghosts to be set now: first those that have to be shown differently."""
        now = time.monotonic()
        changed, stale = [], []
        for ghost, presence in desired.items():
            shown = self._shown.get(ghost)
            if shown is None or (shown.taken and shown.desired != presence):
                changed.append(ghost)
            elif shown.until <= now:
                stale.append(ghost)
        return changed + stale

    async def _find_out(self, scout: str) -> None:
        """Learn from the last presence of *scout* whether the homeserver shows presence."""
        visible = await shows_presence(self._homeserver, scout, self._request_timeout)
        if visible is not self._visible:
            _log.info(f"the homeserver {'shows' if visible else 'does not show'} presence", ghost=scout)
        self._visible = visible

    async def _set(self, ghost: str, desired: DesiredPresence) -> HomeserverUnavailable | None:
        """Show *ghost* as *desired*; return the error if the homeserver is away."""
        taken, lasts = True, self._refresh
        try:
            async with limited(self._request_timeout):
                await self._homeserver.presence(ghost, desired.state, desired.message)
        except HomeserverError as error:
            if isinstance(error, HomeserverUnavailable) and not await self._answers():
                return error
            _log.info("the presence of an agent was not set", ghost=ghost, error=str(error))
            taken, lasts = False, REFUSED if isinstance(error, HomeserverRefused) else _FAILED
        if desired == _OFFLINE:
            del self._shown[ghost]
        else:
            self._shown[ghost] = _Shown(desired, time.monotonic() + lasts, taken)
        return None

    async def _answers(self) -> bool:
        try:
            async with limited(self._request_timeout):
                return await self._homeserver.answers()
        except HomeserverUnavailable:
            return False


async def shows_presence(homeserver: Homeserver, user_id: str, seconds: float = REQUEST_TIMEOUT) -> bool:
    """Tell whether the homeserver shows the presence that *user_id* was given, within *seconds*.

    Raises:
        HomeserverUnavailable: it does not answer in time.
    """
    try:
        async with limited(seconds):
            return await homeserver.status_message(user_id) is not None
    except HomeserverRefused:
        return False


@asynccontextmanager
async def limited(seconds: float) -> AsyncIterator[None]:
    """Bound a request to the homeserver; one that takes longer than *seconds* raises HomeserverUnavailable."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        said = f"no answer within {seconds:g} s"
        raise HomeserverUnavailable(Text("homeserver_away", said=said)) from None
