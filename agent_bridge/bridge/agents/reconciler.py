"""Compares the ghost, the room and the entry of the Space of one agent with the tables, and repairs the differences.

Each agent has the same steps. A step that the row or the homeserver shows as done is skipped; else it is carried out
and then recorded. After a kill between two steps the next run completes the rest. Only the steps without which there is
no room end a run: registration, room, members. A difference that cannot be repaired becomes a problem of the room.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.agents.steps import Steps
from agent_bridge.bridge.queue.key_locks import KeyLocks
from agent_bridge.bridge.rooms.editor import StateEditor
from agent_bridge.bridge.rooms.entry import home_by_alias
from agent_bridge.bridge.rooms.introduction import introduce
from agent_bridge.bridge.rooms.problems import problems_of
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import HomeserverRefused, UserNotRegistered
from agent_bridge.core.results.repairs import Outcome, Part
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.matrix.rooms import PARENT, child_content, parent_content
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.agents.avatars import Avatars
    from agent_bridge.bridge.agents.resting import RestingRooms
    from agent_bridge.bridge.agents.room_reports import RoomReports
    from agent_bridge.bridge.rooms.access import Access
    from agent_bridge.bridge.rooms.first_imports import FirstImports
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


class AgentReconciler:
    """Reconciles agents. Of two runs for the same agent the second waits for the first."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        agents: Agents,
        space: Space,
        home_rooms: HomeRooms,
        home_state: HomeState,
        resting: RestingRooms,
        avatars: Avatars,
        access: Access,
        first_imports: FirstImports,
        reports: RoomReports,
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
        self._resting = resting
        self._avatars = avatars
        self._access = access
        self._first_imports = first_imports
        self._reports = reports
        self._rooms = rooms
        self._signals = signals
        self._texts = texts
        self._locks = KeyLocks()

    async def reconcile(self, agent: int, editor: StateEditor | None = None) -> None:
        """Bring the ghost and the room of the agent with row id *agent* to their desired state, as far as possible.

        Of two runs for the same agent the second waits. *editor* collects the differences of the room.

        Raises:
            HomeserverError, StoreError: a step failed without which the others are not possible; the steps before it
                are done and recorded.
        """
        async with self._locks.hold(agent):
            await self._reconcile(agent, editor or StateEditor(self._homeserver))

    async def _reconcile(self, agent: int, editor: StateEditor) -> None:
        agent_room = await self._agents.by_agent(agent)
        if agent_room.agent.state is AgentState.HELD and await self._has_alias(agent_room):
            # The database was lost, and the room was not: the agent is not new.
            await self._agents.accept(agent)
            agent_room = await self._agents.by_agent(agent)
        if agent_room.home.is_deleting:
            # The agent may be back: it gets another room once this one is gone.
            await self._reports.checked(agent_room, agent_room.home.problems)
            return
        if agent_room.agent.state.is_at_rest:
            await self._resting.mark(editor, agent_room)
        elif agent_room.agent.state is not AgentState.ACTIVE:
            await self._reports.checked(agent_room, agent_room.home.problems)
        else:
            try:
                await self._provide(agent_room, editor)
            except UserNotRegistered:
                await self._register_again(agent_room)
                await self._provide(await self._agents.by_agent(agent), editor)
            except HomeserverRefused:
                # The next try is later than the lanes can wait.
                await self._reports.checked(agent_room, agent_room.home.problems)
                raise
        if agent_room.agent.state in {AgentState.HELD, agent_room.home.announced_state}:
            return
        present = await self._agents.by_agent(agent)
        # With a state that changed meanwhile the room has not the marks of the new one: another run tells it.
        if present.agent.state is agent_room.agent.state:
            await self._reports.tell_state(present)

    async def _has_alias(self, agent_room: AgentRoom) -> bool:
        if agent_room.home.room_id is not None:
            return False
        return await home_by_alias(self._homeserver, agent_room.agent.ghost) is not None

    async def _register_again(self, agent_room: AgentRoom) -> None:
        _log.warning("the homeserver does not know a user of the bridge: registering it", agent=agent_room.agent.name)
        await self._homeserver.register(self._namespace.bot_username)
        await self._homeserver.register(agent_room.agent.ghost)
        await self._agents.names_lost(agent_room.agent.id)
        self._space.look_again()

    async def _provide(self, agent_room: AgentRoom, editor: StateEditor) -> None:
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
            await self._reports.checked(agent_room, steps.problems)
            return
        space = await self._space.room_id()
        entered = await self._home_rooms.enter(editor, agent_room, space)
        state = entered.state
        editor.keep_fixed(state)
        if state.replacement is None:
            state = await self._repaired(editor, entered, ghost, steps)
        is_closed = await self._first_imports.is_awaited(entered.agent_room)
        if not is_closed:
            await self._open(editor, entered, state, space, steps)
        # Last of the names: the homeserver carries it into the room by itself, some time later, and two changes of
        # state at once may leave clients with an old one.
        if agent.displayname_applied is not None:
            await self._displayname(agent, steps)
        if not is_closed:
            await self._link(editor, entered, space, steps)
        await self._report(entered, state, ghost, steps)

    async def _report(self, entered: EnteredRoom, state: RoomState, ghost: str, steps: Steps) -> None:
        """Record the problems of the room.

        Raises:
            RateLimited: the next try has the bot enter.
        """
        agent_room = entered.agent_room
        if _is_doubted(agent_room) and await self._homeserver.is_suspended(ghost):
            steps.problems.add(RoomProblem.GHOST_SUSPENDED)
        problems = {*problems_of(state, ghost, self._namespace.bot), *steps.problems}
        if entered.limited is not None:
            problems.discard(RoomProblem.BOT_AWAY)
        await self._reports.report(agent_room, problems)
        if entered.fresh:
            _log.info("room ready", agent=agent_room.agent.name, room=state.room_id)
        if entered.limited is not None:
            raise entered.limited

    async def _displayname(self, agent: Agent, steps: Steps) -> None:
        if agent.displayname_applied == agent.displayname:
            return
        user_id = self._namespace.user_id(agent.ghost)
        refused = RoomProblem.NO_DISPLAYNAME
        steps.problems.discard(refused)
        await steps.attempt(refused, self._homeserver.set_displayname(user_id, agent.displayname))
        await self._agents.displayname_applied(agent.id, agent.displayname)

    async def compare(self, agent: int, editor: StateEditor) -> None:
        """Have *editor*, which changes nothing, collect the differences of the room of an agent.

        Raises:
            HomeserverError, StoreError: it is not known whether there are more of them.
        """
        agent_room = await self._agents.by_agent(agent)
        if agent_room.home.is_deleting:
            return
        if agent_room.agent.state.is_at_rest:
            await self._resting.mark(editor, agent_room)
        if agent_room.agent.state is not AgentState.ACTIVE or (self._rooms.private and agent_room.home.room_id is None):
            return
        entered = await self._home_rooms.look(editor, agent_room)
        if entered is None:
            editor.note(Part.ROOM, Outcome.WOULD_SET)
            return
        steps, space = Steps(agent_room), await self._space.known()
        editor.keep_fixed(entered.state)
        await self._repaired(editor, entered, self._namespace.user_id(agent_room.agent.ghost), steps)
        await self._access.apply(editor, agent_room, entered.state, space, fresh=False)
        if space is not None:
            await self._name_space(editor, entered, space)
            await self._space.list_room(editor, space, entered.state.room_id, self._child(agent_room))

    async def _repaired(self, editor: StateEditor, entered: EnteredRoom, ghost: str, steps: Steps) -> RoomState:
        """Repair the state of the room, and return it."""
        state, agent, home_state = entered.state, entered.agent_room.agent, self._home_state
        refused = RoomProblem.STATE_REFUSED
        await steps.attempt(refused, home_state.names(editor, entered.agent_room, state, ghost))
        await steps.attempt(refused, self._avatars.of_room(editor, entered.agent_room, state))
        await steps.attempt(refused, home_state.bridge(editor, state, agent))
        changed = await steps.attempt(refused, home_state.powers(editor, state, ghost))
        if not entered.fresh:
            await steps.attempt(RoomProblem.NO_ALIAS, home_state.alias(editor, state, agent.ghost))
        in_profile = RoomProblem.NO_DISPLAYNAME not in steps.problems
        if not in_profile or agent.displayname_applied == agent.displayname:
            named = home_state.displayname(editor, state, ghost, agent.displayname, in_profile=in_profile)
            await steps.attempt(RoomProblem.NO_DISPLAYNAME, named)
        if not changed:
            return state
        reader = ghost if state.membership(ghost) == "join" else self._namespace.bot
        return await self._homeserver.room_state(state.room_id, reader) or state

    async def _link(self, editor: StateEditor, entered: EnteredRoom, space: str | None, steps: Steps) -> None:
        """Have the Space list the room, if there is one."""
        if space is not None:
            await steps.attempt(RoomProblem.NOT_IN_SPACE, self._link_in(editor, entered, space, steps))

    async def _link_in(self, editor: StateEditor, entered: EnteredRoom, space: str, steps: Steps) -> None:
        """Have the Space list the room. If the Space is gone, the one that replaces it lists the room."""
        await steps.attempt(RoomProblem.STATE_REFUSED, self._name_space(editor, entered, space))
        try:
            await self._list(editor, entered, space)
        except HomeserverRefused:
            self._space.look_again()
            found = await self._space.room_id()
            if found is None or found == space:
                raise
            await steps.attempt(RoomProblem.STATE_REFUSED, self._name_space(editor, entered, found))
            await self._list(editor, entered, found)
            # The other rooms move to it too.
            self._signals.send(Topic.AGENTS)

    async def _name_space(self, editor: StateEditor, entered: EnteredRoom, space: str) -> bool:
        """Have the room name the Space."""
        ghost = self._namespace.user_id(entered.agent_room.agent.ghost)
        return await editor.content(entered.state, PARENT, parent_content(self._namespace.domain), ghost, key=space)

    async def _list(self, editor: StateEditor, entered: EnteredRoom, space: str) -> None:
        home, state = entered.agent_room.home, entered.state
        moved = home.space != space or home.name_applied != home.name
        await self._space.list_room(editor, space, state.room_id, self._child(entered.agent_room), moved=moved)
        if home.space != space:
            await self._agents.linked(home.id, space)

    def _child(self, agent_room: AgentRoom) -> dict[str, Any]:
        """Return the entry of the Space, which lists its rooms by name."""
        return child_content(self._namespace.domain, agent_room.home.name)

    async def _open(
        self, editor: StateEditor, entered: EnteredRoom, state: RoomState, space: str | None, steps: Steps
    ) -> None:
        """Let people in: the join rule, the introduction, the invitations."""
        if state.replacement is not None:
            return
        agent_room, refused = entered.agent_room, RoomProblem.STATE_REFUSED
        await steps.attempt(refused, self._access.apply(editor, agent_room, state, space, fresh=entered.fresh))
        if state.is_encrypted:
            # Only those who are in the room, or invited, get the key of a message.
            await self._access.invite(agent_room, state, space)
        await steps.attempt(refused, self._introduce(agent_room, state.room_id))
        if not state.is_encrypted:
            await self._access.invite(agent_room, state, space)

    async def _introduce(self, agent_room: AgentRoom, room_id: str) -> None:
        """Have the agent introduce itself, once in its room."""
        agent, home = agent_room.agent, agent_room.home
        if home.introduced:
            return
        if self._rooms.introduce:
            await introduce(self._homeserver, agent, room_id, self._texts)
        await self._agents.introduced(home.id)


def _is_doubted(agent_room: AgentRoom) -> bool:
    """Tell whether a message waits for the comparison of a room, or the ghost was suspended at the last one."""
    home = agent_room.home
    return home.checked != home.check_requests or RoomProblem.GHOST_SUSPENDED in home.problems
