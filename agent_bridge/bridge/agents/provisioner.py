"""Provisioner: compares the ghosts, rooms and Space on the homeserver with the tables, and repairs the differences.

Each agent has the same steps. A step that the row or the homeserver shows as done is skipped; else it is carried out
and then recorded. After a kill between two steps the next run completes the rest. Only the steps without which there is
no room end a run: registration, room, members. A difference that cannot be repaired becomes a problem of the room.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.agents.steps import Steps
from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, every
from agent_bridge.bridge.rooms.introduction import introduce
from agent_bridge.bridge.rooms.naming import edit_state
from agent_bridge.bridge.rooms.problems import problems_of
from agent_bridge.core.agents import AgentState
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverRefused, StoreError, UserNotRegistered
from agent_bridge.core.ids import mark
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.rooms import child_content, parent_content
from agent_bridge.render.content import escape, message
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.bridge.agents.avatars import Avatars
    from agent_bridge.bridge.rooms.access import Access
    from agent_bridge.bridge.rooms.home_rooms import EnteredRoom, HomeRooms
    from agent_bridge.bridge.rooms.home_state import HomeState
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.conversations import RoomsConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

_PARENT = "m.space.parent"
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
        namespace: Namespace,
        agents: Agents,
        space: Space,
        home_rooms: HomeRooms,
        home_state: HomeState,
        avatars: Avatars,
        access: Access,
        rooms: RoomsConfig,
        signals: Signals,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._agents = agents
        self._space = space
        self._home_rooms = home_rooms
        self._home_state = home_state
        self._avatars = avatars
        self._access = access
        self._rooms = rooms
        self._signals = signals
        self._texts = texts
        self._queues = [asyncio.Queue[int]() for _ in range(rooms.concurrency)]
        self._queued: set[int] = set()
        self._failures: dict[int, int] = {}
        #: Set to have all agents compared now.
        self._doubts = asyncio.Event()
        #: Whether all agents have to be requested now; else the agents that are next, and when the next round begins.
        self._all = True
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
        """Reconcile all agents now and at intervals, and those that are out of sync at once, until cancelled."""
        self._renamed, self._all = False, True
        with self._signals.subscription(Topic.AGENTS) as wake:
            async with asyncio.TaskGroup() as group:
                for queue in self._queues:
                    group.create_task(self._work(queue, group))
                find = every(FALLBACK, self._find, name="search for agents out of sync", wake=wake, rest=LONG_REST)
                compare = every(_STEP, self._compare, name="comparison of rooms", wake=self._doubts)
                group.create_task(find)
                group.create_task(compare)

    async def _compare(self) -> None:
        """Request all agents at the start and after :meth:`doubt_all`, and the next few otherwise."""
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
            self._round = [each.agent.id for each in await self._agents.all()]
            self._next_round = now + _COMPARED_EVERY
        for agent in self._round[:_IN_STEP]:
            self.request(agent)
        del self._round[:_IN_STEP]

    async def _request_all(self) -> None:
        """Request all agents: first those whose lanes wait. A crash may have left any of them half done."""
        self._space.look_again()
        found = await self._agents.all()
        if not self._renamed:
            for agent_room in found:
                if RoomProblem.NO_DISPLAYNAME in agent_room.home.problems:
                    await self._agents.names_lost(agent_room.agent.id)
            self._renamed = True
        for agent_room in sorted(found, key=lambda each: each.home.checked == each.home.check_requests):
            self.request(agent_room.agent.id)

    async def _find(self) -> None:
        """Request each agent that is out of sync, also if another process wrote the cause."""
        for agent in await self._agents.out_of_sync(await self._space.room_id(), private=self._rooms.private):
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
                if failures >= _HOPELESS:
                    await self._release(agent)
                log = _log.warning if failures == 1 else _log.debug
                log("agent out of sync, trying again", agent=agent, error=str(error), seconds=delay)
                group.create_task(self._request_later(agent, delay))
            else:
                self._failures.pop(agent, None)

    async def _release(self, agent: int) -> None:
        """Let the lanes of a room go on that cannot be compared, although the homeserver responds."""
        try:
            if await self._homeserver.answers():
                agent_room = await self._agents.by_agent(agent)
                await self._checked(agent_room, agent_room.home.problems)
        except StoreError as error:
            _log.debug("the lanes of a room keep waiting", agent=agent, error=str(error))

    async def _request_later(self, agent: int, delay: float) -> None:
        await asyncio.sleep(delay)
        self.request(agent)

    async def reconcile(self, agent: int) -> None:
        """Bring the ghost and the room of the agent with row id *agent* to their desired state, as far as possible.

        Raises:
            HomeserverError, StoreError: a step failed without which the others are not possible; the steps before it
                are done and recorded.
        """
        agent_room = await self._agents.by_agent(agent)
        if agent_room.agent.state is AgentState.HELD and await self._has_alias(agent_room):
            # The database was lost, and the room was not: the agent is not new.
            await self._agents.accept(agent)
            agent_room = await self._agents.by_agent(agent)
        if agent_room.agent.state is not AgentState.ACTIVE:
            await self._checked(agent_room, agent_room.home.problems)
        else:
            try:
                await self._provide(agent_room)
            except UserNotRegistered:
                await self._register_again(agent_room)
                await self._provide(await self._agents.by_agent(agent))
            except HomeserverRefused:
                # The next try is later than the lanes can wait.
                await self._checked(agent_room, agent_room.home.problems)
                raise
        if agent_room.agent.state is not AgentState.HELD:
            await self._tell_state(await self._agents.by_agent(agent))

    async def _has_alias(self, agent_room: AgentRoom) -> bool:
        alias = self._namespace.alias(agent_room.agent.ghost)
        return agent_room.home.room_id is None and await self._homeserver.resolve_alias(alias) is not None

    async def _register_again(self, agent_room: AgentRoom) -> None:
        _log.warning("the homeserver does not know a user of the bridge: registering it", agent=agent_room.agent.name)
        await self._homeserver.register(self._namespace.bot_username)
        await self._homeserver.register(agent_room.agent.ghost)
        await self._agents.names_lost(agent_room.agent.id)
        self._space.look_again()

    async def _provide(self, agent_room: AgentRoom) -> None:
        """Carry out the steps for an active agent."""
        steps = Steps(agent_room)
        agent, ghost = agent_room.agent, self._namespace.user_id(agent_room.agent.ghost)
        if agent.displayname_applied is None:
            await self._homeserver.register(agent.ghost)
            await self._displayname(agent, steps)
        # Before the room is made: the join of the ghost then has the avatar, and no line of the room is about it.
        avatar = await self._avatars.of_ghost(agent)
        agent_room = replace(agent_room, agent=replace(agent, avatar=avatar))
        if self._rooms.private and agent_room.home.room_id is None:
            await self._displayname(agent, steps)
            await self._checked(agent_room, steps.problems)
            return
        space = await self._space.room_id()
        entered = await self._home_rooms.enter(agent_room, space)
        home, room_id = entered.agent_room.home, entered.state.room_id
        state = entered.state
        if state.replacement is None:
            await steps.attempt(RoomProblem.STATE_REFUSED, self._home_state.names(entered.agent_room, state, ghost))
            await steps.attempt(RoomProblem.STATE_REFUSED, self._avatars.of_room(entered.agent_room, state))
            state = await self._repaired(entered, ghost, steps)
            await self._open(entered, state, space, steps)
        # Last of the names: the homeserver carries it into the room by itself, some time later, and two changes of
        # state at once may leave clients with an old one.
        if agent.displayname_applied is not None:
            await self._displayname(agent, steps)
        # The Space lists its rooms by name.
        moved = home.space != space or home.name_applied != home.name
        if space is not None and (moved or self._space.lacks(room_id)):
            await steps.attempt(RoomProblem.NOT_IN_SPACE, self._link(entered, space))
        if _is_doubted(agent_room) and await self._homeserver.is_suspended(ghost):
            steps.problems.add(RoomProblem.GHOST_SUSPENDED)
        await self._report(entered.agent_room, [*problems_of(state, ghost, self._namespace.bot), *steps.problems])
        if entered.fresh:
            _log.info("room ready", agent=agent.name, room=room_id)

    async def _displayname(self, agent: Agent, steps: Steps) -> None:
        if agent.displayname_applied == agent.displayname:
            return
        user_id = self._namespace.user_id(agent.ghost)
        refused = RoomProblem.NO_DISPLAYNAME
        steps.problems.discard(refused)
        await steps.attempt(refused, self._homeserver.set_displayname(user_id, agent.displayname))
        await self._agents.displayname_applied(agent.id, agent.displayname)

    async def _repaired(self, entered: EnteredRoom, ghost: str, steps: Steps) -> RoomState:
        """Repair the state of the room, and return it."""
        state, agent = entered.state, entered.agent_room.agent
        changed = await steps.attempt(RoomProblem.STATE_REFUSED, self._home_state.powers(state, ghost))
        if not entered.fresh:
            await steps.attempt(RoomProblem.NO_ALIAS, self._home_state.alias(state, agent.ghost))
        in_profile = RoomProblem.NO_DISPLAYNAME not in steps.problems
        if not in_profile or agent.displayname_applied == agent.displayname:
            named = self._home_state.displayname(state, ghost, agent.displayname, in_profile=in_profile)
            await steps.attempt(RoomProblem.NO_DISPLAYNAME, named)
        if not changed:
            return state
        reader = ghost if state.membership(ghost) == "join" else self._namespace.bot
        return await self._homeserver.room_state(state.room_id, reader) or state

    async def _link(self, entered: EnteredRoom, space: str) -> None:
        """List the room in the Space. If the Space is gone, list it in the one that replaces it."""
        try:
            await self._list(entered, space, fresh=entered.fresh)
        except HomeserverRefused:
            self._space.look_again()
            found = await self._space.room_id()
            if found is None or found == space:
                raise
            await self._list(entered, found, fresh=False)
            # The other rooms move to it too.
            self._signals.send(Topic.AGENTS)

    async def _list(self, entered: EnteredRoom, space: str, *, fresh: bool) -> None:
        agent, home, state = entered.agent_room.agent, entered.agent_room.home, entered.state
        if not fresh:
            parent = parent_content(self._namespace.domain)
            await edit_state(self._homeserver, state, _PARENT, parent, self._namespace.user_id(agent.ghost), key=space)
        child = child_content(self._namespace.domain, home.name)
        await self._space.add(space, state.room_id, child)
        await self._agents.linked(home.id, space)

    async def _open(self, entered: EnteredRoom, state: RoomState, space: str | None, steps: Steps) -> None:
        """Let people in: the join rule, the introduction, the invitations."""
        agent_room, refused = entered.agent_room, RoomProblem.STATE_REFUSED
        await steps.attempt(refused, self._access.apply(agent_room, state, space, fresh=entered.fresh))
        await steps.attempt(refused, self._introduce(agent_room, state.room_id))
        await self._access.invite(agent_room, state.room_id, space)

    async def _introduce(self, agent_room: AgentRoom, room_id: str) -> None:
        """Have the agent introduce itself, once in its room."""
        agent, home = agent_room.agent, agent_room.home
        if home.introduced:
            return
        if self._rooms.introduce:
            await introduce(self._homeserver, agent, room_id, self._texts)
        await self._agents.introduced(home.id)

    async def _report(self, agent_room: AgentRoom, problems: Iterable[RoomProblem]) -> None:
        """Log new problems, tell the room of those that its members notice, and record all of them."""
        home, found = agent_room.home, sorted(set(problems))
        for problem in found:
            if problem not in home.problems:
                cause = ENGLISH.room_problems[problem]
                _log.error("a room has a problem", agent=agent_room.agent.name, room=home.room_id, problem=cause)
                await self._tell_problem(agent_room, problem)
        if solved := set(home.problems) - set(found):
            _log.info("a room has a problem less", room=home.room_id, solved=sorted(solved))
        await self._checked(agent_room, found)

    async def _checked(self, agent_room: AgentRoom, problems: Iterable[RoomProblem]) -> None:
        home, problems = agent_room.home, tuple(problems)
        if home.checked != home.check_requests or home.problems != problems:
            await self._agents.checked(home.id, home.check_requests, problems)

    async def _tell_problem(self, agent_room: AgentRoom, problem: RoomProblem) -> None:
        agent, home, room_id = agent_room.agent, agent_room.home, agent_room.home.room_id
        text = self._texts.told_problems.get(problem)
        if text is None or room_id is None:
            return
        ghost = self._namespace.user_id(agent.ghost)
        key = f"{home.id}.{problem}.{home.check_requests}"
        admin = self._texts.an_admin
        text = text.format(name=escape(agent.name), ghost=ghost, bot=self._namespace.bot, admin=admin)
        content = message(text, mark=mark(key, 0), notice=True)
        try:
            await self._homeserver.send(room_id, content, txn_id=f"ab.{key}")
        except HomeserverRefused as error:
            _log.warning("a room was not told of its problem", room=room_id, error=str(error))

    async def _tell_state(self, agent_room: AgentRoom) -> None:
        """Tell the people in the room when the agent is gone or back."""
        agent, home = agent_room.agent, agent_room.home
        if home.room_id is None or home.announced_state is agent.state:
            return
        text = self._texts.agent_left if agent.state is AgentState.GONE else self._texts.agent_back
        key = f"{agent.ghost}.{agent.state}.{int(agent.state_since.timestamp())}"
        content = message(text.format(name=escape(agent.name)), mark=mark(key, 0), notice=True)
        ghost = self._namespace.user_id(agent.ghost)
        try:
            await self._homeserver.send(home.room_id, content, txn_id=f"ab.{key}", as_user=ghost)
        except HomeserverRefused as error:
            _log.warning("a room was not told of the agent's state", room=home.room_id, error=str(error))
        await self._agents.announced(home.id, agent.state)


def _is_doubted(agent_room: AgentRoom) -> bool:
    """Tell whether a message waits for the comparison of a room, or the ghost was suspended at the last one."""
    home = agent_room.home
    return home.checked != home.check_requests or RoomProblem.GHOST_SUSPENDED in home.problems
