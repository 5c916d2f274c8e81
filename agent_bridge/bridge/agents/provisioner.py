"""Provisioner: decides when which agent is compared with the homeserver, and tries those again that failed."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, LOOK, every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, RateLimited, StoreError
from agent_bridge.matrix.pacing import background
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.agents.reconciler import AgentReconciler
    from agent_bridge.bridge.agents.room_reports import RoomReports
    from agent_bridge.bridge.queue.tracked_work import TrackedWork
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.conversations import RoomsConfig
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(first=1, cap=60)
#: Failures in a row after which the lanes of a room do not wait for its comparison any more.
_HOPELESS = 3
#: Seconds between two comparisons of a room with the homeserver, if there are few. An event or a refused request shows
#: most differences at once.
_COMPARED_EVERY = 300.0
#: Seconds between two steps of such a comparison, and rooms in a step: many rooms at once would delay conversations.
_STEP, _IN_STEP = 5.0, 10


class Provisioner:
    """Reconciles agents, a few at a time, one at a time for each agent."""

    def __init__(
        self,
        homeserver: Homeserver,
        agents: Agents,
        space: Space,
        reconciler: AgentReconciler,
        reports: RoomReports,
        rooms: RoomsConfig,
        progress: TrackedWork,
        signals: Signals,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._agents = agents
        self._space = space
        self._reconciler = reconciler
        self._reports = reports
        self._rooms = rooms
        self._progress = progress
        self._signals = signals
        self._texts = texts
        self._queues = [asyncio.Queue[int]() for _ in range(rooms.concurrency)]
        self._queued: set[int] = set()
        self._failures: dict[int, int] = {}
        #: Agents with steps for which the limits of the homeserver leave no room now.
        self._limited: set[int] = set()
        #: Agents that are out of sync, but for those that have failed too often.
        self._pending: set[int] = set()
        #: Set to have all agents compared now.
        self._doubts = asyncio.Event()
        #: Whether all agents have to be requested now; else the agents that are next, and when the next round begins.
        self._all = False
        self._round: list[int] = []
        self._next_round = 0.0
        #: Whether display names that the homeserver refused were requested again since the start.
        self._renamed = False

    def request(self, agent: int) -> None:
        """Have the agent with row id *agent* reconciled soon."""
        if agent not in self._queued:
            self._queued.add(agent)
            self._queues[agent % len(self._queues)].put_nowait(agent)

    async def doubt_all(self) -> None:
        """Have all agents reconciled soon; the lanes of rooms with open turns wait until then."""
        await self._agents.request_checks()
        self._all = True
        self._doubts.set()

    async def run(self) -> None:
        """Reconcile agents that are out of sync at once, and all of them at intervals, until cancelled.

        At the start, rooms whose lanes wait for a comparison count as out of sync. The others are compared in the first
        round, a few at a time: a process that starts with many intact rooms has nothing to do.
        """
        self._renamed = self._all = False
        self._round, self._next_round = [], 0.0
        self._failures.clear()
        self._limited.clear()
        self._pending.clear()
        self._progress.begin()
        with self._signals.subscription(Topic.AGENTS, Topic.SPACE) as wake:
            async with asyncio.TaskGroup() as group:
                for queue in self._queues:
                    group.create_task(self._work(queue, group))
                find = every(FALLBACK, self._find, name="search for agents out of sync", wake=wake, rest=LONG_REST)
                compare = every(_STEP, self._compare, name="comparison of rooms", wake=self._doubts)
                group.create_task(find)
                group.create_task(compare)

    async def _compare(self) -> None:
        """Request all agents after :meth:`doubt_all`, and the next few otherwise."""
        now = asyncio.get_running_loop().time()
        if self._all:
            self._all = False
            try:
                await self._request_all()
            except StoreError:
                self._all = True
                raise
            self._round, self._next_round = [], now + _COMPARED_EVERY
        elif not self._round and now >= self._next_round:
            self._space.look_again()
            found = await self._agents.ids()
            # After a start, not always the same rooms are the first ones.
            first = secrets.randbelow(len(found)) if found and self._next_round == 0.0 else 0
            self._round = found[first:] + found[:first]
            self._next_round = now + _COMPARED_EVERY
        for agent in self._round[:_IN_STEP]:
            self.request(agent)
        del self._round[:_IN_STEP]

    async def _request_all(self) -> None:
        """Request all agents: first those whose lanes wait."""
        self._space.look_again()
        for agent in await self._agents.ids():
            self.request(agent)

    async def _find(self) -> float | None:
        """Request each agent that is out of sync, also if another process wrote the cause.

        Return the seconds until the next look.
        """
        if not self._renamed:
            await self._agents.refused_names_lost()
            self._renamed = True
        found = await self._agents.out_of_sync(await self._space.room_id(), private=self._rooms.private)
        self._pending = {agent for agent in found if self._failures.get(agent, 0) < _HOPELESS}
        await self._tell_progress()
        for agent in found:
            # An agent that failed, or waits for the limits of the homeserver, waits for its own next try.
            if agent not in self._failures and agent not in self._limited:
                self.request(agent)
        # An agent may stay out of sync without a failure. A look has the Space compared, too.
        return LOOK if found or not self._space.is_settled() else None

    async def _work(self, queue: asyncio.Queue[int], group: asyncio.TaskGroup) -> None:
        while True:
            agent = await queue.get()
            # A request from here on needs another run.
            self._queued.discard(agent)
            self._limited.discard(agent)
            try:
                with background():
                    await self._reconciler.reconcile(agent)
            except RateLimited as limited:
                # The homeserver responds, and a limit of requests is no failure.
                await self._release(agent, is_limited=True)
                self._limited.add(agent)
                _log.debug("the homeserver limits requests for an agent", agent=agent, seconds=limited.retry_after)
                group.create_task(self._request_later(agent, limited.retry_after))
            except BridgeError as error:
                failures = self._failures[agent] = self._failures.get(agent, 0) + 1
                delay = _RETRY.delay(failures)
                if failures >= _HOPELESS:
                    await self._release(agent)
                    await self._done_with(agent)
                log = _log.warning if failures == 1 else _log.debug
                log("agent out of sync, trying again", agent=agent, error=str(error), seconds=delay)
                group.create_task(self._request_later(agent, delay))
            else:
                self._failures.pop(agent, None)
                await self._done_with(agent)

    async def _done_with(self, agent: int) -> None:
        if agent in self._pending:
            self._pending.discard(agent)
            try:
                await self._tell_progress()
            except StoreError as error:
                _log.debug("the progress is not stored", error=str(error))

    async def _tell_progress(self) -> None:
        failed = sum(failures >= _HOPELESS for failures in self._failures.values())
        error = self._texts.operations.behind.format(count=failed) if failed else None
        await self._progress.left(len(self._pending), failed=failed, error=error)

    async def _release(self, agent: int, *, is_limited: bool = False) -> None:
        """Let the lanes of a room go on that cannot be compared, although the homeserver responds."""
        try:
            if is_limited or await self._homeserver.answers():
                agent_room = await self._agents.by_agent(agent)
                await self._reports.checked(agent_room, agent_room.home.problems)
        except StoreError as error:
            _log.debug("the lanes of a room keep waiting", agent=agent, error=str(error))

    async def _request_later(self, agent: int, delay: float) -> None:
        await asyncio.sleep(delay)
        self.request(agent)
