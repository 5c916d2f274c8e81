"""Provisioner: brings the ghosts, rooms and Space on the homeserver to the state that the tables describe.

Each agent has the same steps. A step is skipped if the row says that it is done; else it is carried out and then
recorded. After a kill between two steps the next run completes the rest.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, every
from agent_bridge.bridge.rooms.naming import rename_room
from agent_bridge.core.agents import AgentState
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.matrix.filters import said_by_others
from agent_bridge.matrix.rooms import ADMIN_POWER, RoomPlan, child_content, home_content
from agent_bridge.render.content import escape, message
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.conversations import RoomsConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(first=1, cap=60)


class Provisioner:
    """Reconciles agents, a few at a time, one at a time for each agent."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        agents: Agents,
        space: Space,
        rooms: RoomsConfig,
        powers: Mapping[str, int],
        signals: Signals,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._agents = agents
        self._space = space
        self._rooms = rooms
        self._powers = powers
        self._signals = signals
        self._texts = texts
        self._queues = [asyncio.Queue[int]() for _ in range(rooms.concurrency)]
        self._queued: set[int] = set()
        self._failures: dict[int, int] = {}
        #: Whether every agent was requested once: a crash may have left any of them half done.
        self._requested_all = False
        self._lists_creator: bool | None = None

    def request(self, agent: int) -> None:
        """Have the agent with row id *agent* reconciled soon."""
        if agent not in self._queued:
            self._queued.add(agent)
            self._queues[agent % len(self._queues)].put_nowait(agent)

    async def run(self) -> None:
        """Reconcile all agents, then those that are out of sync, until cancelled."""
        self._requested_all = False
        with self._signals.subscription(Topic.AGENTS) as wake:
            async with asyncio.TaskGroup() as group:
                for queue in self._queues:
                    group.create_task(self._work(queue, group))
                find = every(FALLBACK, self._find, name="search for agents out of sync", wake=wake, rest=LONG_REST)
                group.create_task(find)

    async def _find(self) -> None:
        """Request all agents at first, then each that is out of sync, also if another process wrote the cause."""
        if not self._requested_all:
            for agent_room in await self._agents.all():
                self.request(agent_room.agent.id)
            self._requested_all = True
            return
        for agent in await self._agents.out_of_sync(await self._space.room_id()):
            # An agent that failed waits for its own next try.
            if agent not in self._failures:
                self.request(agent)

    async def _work(self, queue: asyncio.Queue[int], group: asyncio.TaskGroup) -> None:
        while True:
            agent = await queue.get()
            # A request from here on needs another run.
            self._queued.discard(agent)
            try:
                await self.reconcile(agent)
            except BridgeError as error:
                failures = self._failures[agent] = self._failures.get(agent, 0) + 1
                delay = _RETRY.delay(failures)
                _log.warning("agent out of sync, trying again", agent=agent, error=str(error), seconds=delay)
                group.create_task(self._request_later(agent, delay))
            else:
                self._failures.pop(agent, None)

    async def _request_later(self, agent: int, delay: float) -> None:
        await asyncio.sleep(delay)
        self.request(agent)

    async def reconcile(self, agent: int) -> None:
        """Carry out the steps of the agent with row id *agent* that are not done.

        Raises:
            HomeserverError, StoreError: a step failed; the steps before it are done and recorded.
        """
        agent_room = await self._agents.by_agent(agent)
        if agent_room.agent.state is AgentState.HELD:
            return
        if agent_room.agent.state is AgentState.ACTIVE:
            if agent_room.agent.displayname_applied is None:
                await self._homeserver.register(agent_room.agent.ghost)
                await self._displayname(agent_room.agent)
            space = await self._space.room_id()
            agent_room, fresh = await self._room(agent_room, space)
            await self._bot(agent_room)
            await self._names_of_room(agent_room)
            # Last of the names: the homeserver carries it into the room by itself, some time later, and two changes of
            # state at once may leave clients with an old one.
            await self._displayname(agent_room.agent)
            if space is not None and agent_room.home.space != space:
                await self._link(agent_room, space, fresh=fresh)
            await self._invite(agent_room)
            if fresh:
                _log.info("room ready", agent=agent_room.agent.name, room=agent_room.home.room_id)
        await self._tell(agent_room)

    async def _displayname(self, agent: Agent) -> None:
        if agent.displayname_applied != agent.displayname:
            await self._homeserver.set_displayname(self._namespace.user_id(agent.ghost), agent.displayname)
            await self._agents.displayname_applied(agent.id, agent.displayname)

    async def _room(self, agent_room: AgentRoom, space: str | None) -> tuple[AgentRoom, bool]:
        """Make the room if there is none; tell whether it was made just now."""
        agent, home = agent_room.agent, agent_room.home
        if home.room_id is not None:
            return agent_room, False
        if self._lists_creator is None:
            self._lists_creator = await self._homeserver.lists_creator(self._rooms.version)
        ghost = self._namespace.user_id(agent.ghost)
        plan = RoomPlan(
            alias=agent.ghost,
            name=home.name,
            topic=home.topic,
            creator=ghost,
            lists_creator=self._lists_creator,
            powers=self._powers,
            version=self._rooms.version,
        )
        content = home_content(plan, bot=self._namespace.bot, space=space, domain=self._namespace.domain)
        made = await self._homeserver.create_room(content, ghost)
        if made.fresh:
            await self._agents.room_made(home.id, made.room_id, home.name, home.topic)
        else:
            # Found, perhaps half-made: its names and its administrators are checked again.
            _log.info("adopted an existing room", agent=agent.name, room=made.room_id)
            await self._empower_bot(made.room_id, ghost)
            # Its messages were sent to an earlier bridge.
            others = said_by_others(self._namespace, ghost)
            newest, _ = await self._homeserver.messages(made.room_id, limit=1, as_user=ghost, only=others)
            seen = newest[0]["event_id"] if newest else None
            await self._agents.room_made(home.id, made.room_id, None, None, seen=seen)
        return await self._agents.by_agent(agent.id), made.fresh

    async def _empower_bot(self, room_id: str, ghost: str) -> None:
        """See that the bot administers a room that was found: it may have been left half-made."""
        event = await self._homeserver.state(room_id, "m.room.power_levels", as_user=ghost)
        levels = {} if event is None else dict(event.get("content", {}))
        users = levels.get("users", {})
        if users.get(self._namespace.bot) != ADMIN_POWER:
            levels["users"] = users | self._powers
            await self._homeserver.set_state(room_id, "m.room.power_levels", levels, as_user=ghost)

    async def _bot(self, agent_room: AgentRoom) -> None:
        home, room_id = agent_room.home, _room_id(agent_room)
        if home.bot_joined:
            return
        try:
            await self._homeserver.join(room_id)
        except HomeserverRefused:
            # The room was made without the invitation; its creator can give it.
            await self._homeserver.invite(room_id, self._namespace.bot, self._namespace.user_id(agent_room.agent.ghost))
            await self._homeserver.join(room_id)
        await self._agents.bot_joined(home.id)

    async def _names_of_room(self, agent_room: AgentRoom) -> None:
        home, room_id = agent_room.home, _room_id(agent_room)
        ghost = self._namespace.user_id(agent_room.agent.ghost)
        if home.name_applied != home.name:
            await rename_room(self._homeserver, room_id, "name", home.name, ghost)
            await self._agents.name_applied(home.id, home.name)
        if home.topic_applied != home.topic:
            await rename_room(self._homeserver, room_id, "topic", home.topic, ghost)
            await self._agents.topic_applied(home.id, home.topic)

    async def _link(self, agent_room: AgentRoom, space: str, *, fresh: bool) -> None:
        room_id, domain = _room_id(agent_room), self._namespace.domain
        if not fresh:
            parent = {"via": [domain], "canonical": True}
            ghost = self._namespace.user_id(agent_room.agent.ghost)
            await self._homeserver.set_state(room_id, "m.space.parent", parent, key=space, as_user=ghost)
        await self._homeserver.set_state(
            space, "m.space.child", child_content(domain, agent_room.agent.id), key=room_id
        )
        await self._agents.linked(agent_room.home.id, space)

    async def _invite(self, agent_room: AgentRoom) -> None:
        for user_id in self._rooms.invite:
            if user_id in agent_room.home.invited:
                continue
            try:
                await self._homeserver.invite(_room_id(agent_room), user_id)
            except HomeserverRefused as error:
                # The others are invited all the same; the next start tries this person again.
                _log.warning("cannot invite", user=user_id, room=agent_room.home.room_id, error=str(error))
            else:
                await self._agents.invited(agent_room.home.id, user_id)

    async def _tell(self, agent_room: AgentRoom) -> None:
        """Tell the people in the room when the agent is gone or back."""
        agent, home = agent_room.agent, agent_room.home
        if home.room_id is None or home.announced_state is agent.state:
            return
        text = self._texts.agent_left if agent.state is AgentState.GONE else self._texts.agent_back
        key = f"{agent.ghost}.{agent.state}.{int(agent.state_since.timestamp())}"
        content = message(text.format(name=escape(agent.name)), mark=mark(key, 0), notice=True)
        ghost = self._namespace.user_id(agent.ghost)
        await self._homeserver.send(home.room_id, content, txn_id=f"ab.{key}", as_user=ghost)
        await self._agents.announced(home.id, agent.state)


def _room_id(agent_room: AgentRoom) -> str:
    if agent_room.home.room_id is None:
        raise LookupError(f"agent {agent_room.agent.id} has no room yet")
    return agent_room.home.room_id
