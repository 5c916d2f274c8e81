"""Discovery: asks every upstream periodically which agents it has, and writes their desired names and states."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.agents.decisions import Limits, decide
from agent_bridge.bridge.agents.desired import desired_again, desired_agent, fresh_identity
from agent_bridge.bridge.agents.switch import find_known
from agent_bridge.bridge.agents.watch import Watch
from agent_bridge.bridge.queue.periodic import FALLBACK, LOOK, every
from agent_bridge.core.agents import AgentState
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.client_agents import CLIENTS
from agent_bridge.core.errors import BridgeError, StoreError, UpstreamError
from agent_bridge.core.upstreams import Health
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.postgres.signals import Topic
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.capabilities import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from agent_bridge.bridge.agents.decisions import PassDecision
    from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
    from agent_bridge.config.conversations import TemplatesConfig
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.agents import AgentRoom, Agents, DesiredAgent
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.upstream.base import AgentInfo, Upstream

_log = structlog.stdlib.get_logger(__name__)

_CAP = 30.0
#: Agents of a list with which a decision takes a thread, and agents that are gone through before other tasks run.
_MANY, _SLICE = 1_000, 100
#: The longest ``Retry-After`` that is respected, in seconds.
_LONGEST_WAIT = 900.0


class Discovery:
    """Keeps the tables of agents equal to the lists of the upstreams."""

    def __init__(
        self,
        upstreams: Iterable[tuple[Upstream, UpstreamConfig]],
        agents: Agents,
        reconcile: Callable[[int], None],
        namespace: Namespace,
        templates: TemplatesConfig,
        upstream_status: UpstreamStatus,
        signals: Signals,
        texts: Texts,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watches = [Watch(upstream, config, Health(config.name)) for upstream, config in upstreams]
        self._agents = agents
        #: Has the agent with a row id reconciled soon.
        self._reconcile = reconcile
        self._namespace = namespace
        self._templates = templates
        self._upstream_status = upstream_status
        self._signals = signals
        self._texts = texts
        self._clock = clock
        self._published: list[Health] = []

    def health(self) -> list[Health]:
        """Return the status of each upstream, in the order of the configuration."""
        return [watch.health for watch in self._watches if not watch.is_unused]

    def lists(self, upstream: str, agent_id: str) -> bool | None:
        """Tell whether the last list of *upstream* has *agent_id*; None before the first request for a list has ended.

        An upstream that is not configured lists nothing.
        """
        watch = next((each for each in self._watches if each.config.name == upstream), None)
        if watch is None:
            return False
        if not watch.listed and watch.health.error == "":
            return None
        return agent_id in watch.models

    def look_again(self) -> None:
        """Have the next look at each upstream compare its list with the tables, although the list is the same."""
        for watch in self._watches:
            watch.digested = False

    async def run(self) -> None:
        """Look at each upstream periodically, publish their status, and sync on request, until cancelled."""
        # Nothing tells about the time before this process led.
        for watch in self._watches:
            await self._note_restart(watch)
        with self._signals.subscription(Topic.SYNCS) as wake:
            async with asyncio.TaskGroup() as group:
                group.create_task(every(FALLBACK, self._report, name="report on the upstreams", wake=wake))
                for watch in self._watches:
                    work = partial(self._watch, watch)
                    interval = watch.config.poll_interval
                    group.create_task(every(interval, work, name="look at an upstream", wake=watch.wake))

    async def sync(self, *, confirmed: bool = False) -> list[Health]:
        """Ask all upstreams now, compare their lists with the tables, and return their status.

        *confirmed* is an operator's word: agents that are held get their rooms, and agents that went in great number
        are believed to be gone.
        """
        # A command may have changed the tables.
        self.look_again()
        return await self.look(confirmed=confirmed)

    async def look(self, *, confirmed: bool = False) -> list[Health]:
        """Ask all upstreams now and return their status; a list that has not changed is not compared again."""
        await asyncio.gather(*(self._guarded_pass(watch, confirmed=confirmed) for watch in self._watches))
        return self.health()

    async def ask_again(self, upstreams: Collection[str]) -> set[str]:
        """Ask *upstreams* now; return those whose lists arrived, and are those of the tables now.

        One that failed at the last look is left to the next one.
        """
        watches = [each for each in self._watches if each.config.name in upstreams and each.health.ok]
        await asyncio.gather(*(self._guarded_pass(watch) for watch in watches))
        return {each.config.name for each in watches if each.health.ok}

    async def _report(self) -> float | None:
        """Sync if a process asked for it, and publish the status of the upstreams if it has changed.

        A look at a single upstream that a process asked for is begun here; the next report tells that it is done.
        Return the seconds until the next report.
        """
        requested_looks, looked = await self._upstream_status.requested_looks()
        for watch in self._watches:
            watch.ask(requested_looks.get(watch.config.name, 0), looked.get(watch.config.name, 0))
        # Before the status is read: a look that ends meanwhile is told by the next report.
        looks = {watch.config.name: watch.looked for watch in self._watches}
        requested_syncs, done = await self._upstream_status.requested_syncs()
        if requested_syncs != done:
            await self.sync(confirmed=requested_syncs.confirmed != done.confirmed)
        for watch in self._watches:
            if watch.health.waiting:
                # A room that was found belongs to an agent that waits no more.
                watch.health = replace(watch.health, waiting=await self._waiting(watch))
        if self.health() != self._published:
            published = self.health()
            await self._upstream_status.publish(published)
            self._published = published
        if requested_syncs != done:
            await self._upstream_status.done(requested_syncs)
        if new := {name: number for name, number in looks.items() if number > looked.get(name, 0)}:
            await self._upstream_status.looked({**looked, **new})
        return LOOK if any(watch.health.waiting for watch in self._watches) else None

    async def _watch(self, watch: Watch) -> float | None:
        before, looked, asked = watch.health, watch.looked, watch.asked
        await self._guarded_pass(watch)
        watch.looked = asked
        if watch.health != before or asked != looked:
            # The report is due.
            self._signals.send(Topic.SYNCS)
        interval = watch.config.poll_interval
        backoff = Backoff(first=interval, cap=max(_CAP, interval))
        if not watch.failures:
            return None
        return max(backoff.delay(watch.failures), min(watch.retry_after or 0.0, _LONGEST_WAIT))

    async def _guarded_pass(self, watch: Watch, *, confirmed: bool = False) -> None:
        async with watch.lock:
            try:
                health = await self._pass(watch, confirmed=confirmed)
            except Exception as error:  # noqa: BLE001  # one upstream's answer must not end the loop
                watch.failures += 1
                watch.listed_at = None
                watch.retry_after = error.retry_after if isinstance(error, BridgeError) else None
                await self._note_restart(watch)
                self._note(watch, error)
            else:
                if not watch.health.ok and not watch.is_unused:
                    _log.info("upstream reachable", upstream=health.name, agents=health.agents)
                    watch.warn_of_history()
                watch.failures = 0
                watch.restart_noted = False
                upstream = watch.upstream
                watch.health = replace(
                    health, kind=watch.config.kind, server=upstream.server, capabilities=describe(upstream.can)
                )

    async def _note_restart(self, watch: Watch) -> None:
        """Record that the upstream may be restarted: it failed for the first time since its last list."""
        if watch.forgets and not watch.restart_noted:
            try:
                await self._upstream_status.note_restart(watch.upstream.name)
            except StoreError as error:
                # The next failure of the upstream tries it again.
                _log.warning("a restart of the upstream is not recorded", upstream=watch.config.name, error=str(error))
            else:
                watch.restart_noted = True

    def _note(self, watch: Watch, error: Exception) -> None:
        unexpected = None if isinstance(error, BridgeError) else error
        says = error.says(self._texts) if isinstance(error, BridgeError) else f"{type(error).__name__}: {error}"
        if watch.health.error != says:
            logged = error.says(ENGLISH) if isinstance(error, BridgeError) else says
            kind = "upstream" if isinstance(error, UpstreamError) else "discovery"
            _log.warning(f"{kind} failed", upstream=watch.config.name, error=logged, exc_info=unexpected)
        watch.health = replace(watch.health, error=says)

    async def _pass(self, watch: Watch, *, confirmed: bool) -> Health:
        listed = await watch.upstream.agents()
        now = self._clock()
        elapsed = 0.0 if watch.listed_at is None else now - watch.listed_at
        watch.listed_at = now
        missed = {agent: seconds + elapsed for agent, seconds in watch.missed.items()}
        due = watch.due() != watch.due(missed)
        watch.missed = missed
        if listed is not UNCHANGED:
            watch.listed, watch.digested = listed, False
            watch.models = frozenset(item.model for item in listed)
        if watch.digested and not confirmed and not due:
            # The list lacks the same agents as before.
            return replace(watch.health, error=None)
        # Set first: a change of the tables meanwhile sets it back.
        watch.digested = True
        try:
            return await self._digest(watch, watch.listed, confirmed=confirmed)
        except BaseException:
            watch.digested = False
            raise

    async def _digest(self, watch: Watch, listed: Sequence[AgentInfo], *, confirmed: bool) -> Health:
        count, listed = len(listed), await self._without_entries(watch, listed)
        known, unclear = await find_known(self._agents, watch.config, listed, confirmed=confirmed)
        config = watch.config
        limits = Limits(
            gone_after=config.gone_after,
            max_new_agents=config.max_new_agents,
            holds_many=not (config.ephemeral or config.name == CLIENTS),
        )
        decide_it = partial(decide, known, listed, watch.missed, unclear, limits, confirmed=confirmed)
        # A list may have ten thousand agents.
        decision = await asyncio.to_thread(decide_it) if len(listed) > _MANY else decide_it()
        watch.report_held(decision.held)
        watch.missed = {agent.id: watch.missed.get(agent.id, 0.0) for agent in decision.missing}
        doubted = len(decision.doubted)
        if doubted and doubted != watch.health.doubted:
            _log.warning("many agents gone at once: waiting for `sync all`", upstream=watch.config.name, agents=doubted)
        changed: dict[int, DesiredAgent] = {}
        for number, (agent, item, state) in enumerate((*decision.present, *decision.back), 1):
            if number % _SLICE == 0:
                await asyncio.sleep(0)
            changed |= self._changed(known[agent.id], item.model, item.name, state)
        for agent in decision.gone:
            changed |= self._changed(known[agent.id], agent.model, agent.name, AgentState.GONE)
        await self._agents.update(changed)
        for agent in decision.gone:
            del watch.missed[agent.id]
        described = await self._describe((agent, item) for agent, item, _ in (*decision.present, *decision.back))
        for agent_id in changed.keys() | described:
            self._reconcile(agent_id)
        if decision.added:
            await self._add(watch, decision)
        held, waiting = decision.held, await self._waiting(watch)
        health = Health(watch.config.name, None, count, doubted, held.vanished_names, held.appeared_ids, waiting)
        return replace(health, appeared_names=held.appeared_names)

    async def _without_entries(self, watch: Watch, listed: Sequence[AgentInfo]) -> Sequence[AgentInfo]:
        """Return the agents of *listed* for which no entry of the configuration stands.

        The others get the pictures and descriptions of the list, unless their entries have some.
        """
        agents = [each.agent for each in await self._agents.with_entry(watch.config.name)]
        if not agents:
            return listed
        entries = {agent.entry: agent for agent in agents}
        for agent in await self._describe((entries[item.model], item) for item in listed if item.model in entries):
            self._reconcile(agent)
        return [item for item in listed if item.model not in entries]

    async def _waiting(self, watch: Watch) -> int:
        """Return the number of agents that get no rooms before an operator's word."""
        return await self._agents.count_held(watch.config.name)

    def _changed(self, agent_room: AgentRoom, model: str, name: str, state: AgentState) -> dict[int, DesiredAgent]:
        """Return the desired state of an agent by its row id; empty if it has that state."""
        agent, home = agent_room.agent, agent_room.home
        wanted = desired_again(self._templates, agent, model=model, name=name, state=state)
        if (model, name, state) == (agent.model, agent.name, agent.state) and (
            wanted.displayname,
            wanted.room_name,
            wanted.room_topic,
        ) == (agent.displayname, home.name, home.topic):
            return {}
        if name != agent.name:
            _log.info("agent renamed", upstream=agent.upstream, agent=agent.name, name=name)
        if state is not agent.state:
            became = "back" if state is AgentState.ACTIVE else state
            _log.info(f"agent {became}", upstream=agent.upstream, agent=agent.name, name=name)
        return {agent.id: wanted}

    async def _describe(self, items: Iterable[tuple[Agent, AgentInfo]]) -> Collection[int]:
        """Write the pictures and descriptions of *items*; return the row ids of the agents that have others now."""
        described: dict[int, tuple[str, str]] = {}
        for count, (agent, item) in enumerate(items, 1):
            if count % _SLICE == 0:
                await asyncio.sleep(0)
            image = agent.settings.image or (agent.image if item.image is None else item.image)
            description = agent.settings.description or item.description
            if (agent.image, agent.description) != (image, description):
                described[agent.id] = image, description
        await self._agents.describe(described)
        return described.keys()

    async def _add(self, watch: Watch, decision: PassDecision) -> None:
        ghosts = await self._agents.ghosts()
        identities = await self._agents.identities(watch.config.name)
        wanted: list[DesiredAgent] = []
        for count, (item, state) in enumerate(decision.added, 1):
            if count % _SLICE == 0:
                await asyncio.sleep(0)
            agent_id = fresh_identity(item.model, identities)
            identities.add(agent_id)
            ghost = self._namespace.localpart(agent_id, ghosts, salt=watch.config.name)
            ghosts.add(ghost)
            wanted.append(
                desired_agent(
                    self._templates,
                    upstream=watch.config.name,
                    agent_id=agent_id,
                    model=item.model,
                    name=item.name,
                    ghost=ghost,
                    state=state,
                    image=item.image or "",
                    description=item.description,
                    kind=watch.config.kind,
                )
            )
        await self._agents.add(wanted)
        for count, added_agent in enumerate(wanted, 1):
            if count % _SLICE == 0:
                await asyncio.sleep(0)
            upstream, name = added_agent.upstream, added_agent.name
            _log.info("agent added", upstream=upstream, agent=name, name=name, state=added_agent.state)
        if decision.waiting:
            _log.warning(
                "too many new agents at once: the rest waits for `sync all`",
                upstream=watch.config.name,
                waiting=len(decision.waiting),
                max_new_agents=watch.config.max_new_agents,
            )
        for agent in await self._agents.without_room(watch.config.name):
            self._reconcile(agent)
