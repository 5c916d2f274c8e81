"""Marks the rooms of agents that are at rest: the name, and the entry of the Space. Nothing is made or entered.

The comparison of an active agent undoes the marks: its room has another desired name, and another desired entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.desired import name_at_rest
from agent_bridge.bridge.agents.steps import Steps
from agent_bridge.core.agents import AgentState
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.matrix.rooms import child_content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.bridge.agents.room_reports import RoomReports
    from agent_bridge.bridge.rooms.editor import StateEditor
    from agent_bridge.bridge.rooms.home_rooms import HomeRooms
    from agent_bridge.bridge.rooms.home_state import HomeState
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.conversations import TemplatesConfig
    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import AgentRoom

#: Problems that the marks may have.
_OURS = frozenset({RoomProblem.STATE_REFUSED, RoomProblem.NOT_IN_SPACE})


class RestingRooms:
    """Marks rooms. A step that the homeserver refuses is a problem of the room."""

    def __init__(
        self,
        namespace: Namespace,
        space: Space,
        home_rooms: HomeRooms,
        home_state: HomeState,
        reports: RoomReports,
        templates: TemplatesConfig,
    ) -> None:
        self._namespace = namespace
        self._space = space
        self._home_rooms = home_rooms
        self._home_state = home_state
        self._reports = reports
        self._templates = templates

    async def mark(self, editor: StateEditor, agent_room: AgentRoom) -> None:
        """Name the room by the template ``gone_name``, and have the Space not suggest it.

        The Space does not list the room of a retired agent. A name that a person chose stays.

        A room that was upgraded, or in which nobody of the bridge is, stays as it is.

        Raises:
            HomeserverUnavailable, StoreError: a repeat continues.
        """
        state, steps, home = await self._home_rooms.read(agent_room), Steps(agent_room), agent_room.home
        if state is not None:
            editor.keep_fixed(state)
        if state is None or state.replacement is not None:
            await self._checked(editor, agent_room, home.problems)
            return
        ghost = self._namespace.user_id(agent_room.agent.ghost)
        name = name_at_rest(self._templates, home.name)
        named = self._home_state.name(editor, agent_room, state, ghost, name)
        await steps.attempt(RoomProblem.STATE_REFUSED, named)
        await steps.attempt(RoomProblem.NOT_IN_SPACE, self._list(editor, agent_room, state))
        await self._checked(editor, agent_room, (set(home.problems) - _OURS) | steps.problems)

    async def _checked(self, editor: StateEditor, agent_room: AgentRoom, problems: Iterable[RoomProblem]) -> None:
        if not editor.is_dry:
            await self._reports.checked(agent_room, sorted(problems))

    async def _list(self, editor: StateEditor, agent_room: AgentRoom, state: RoomState) -> None:
        home, moved = agent_room.home, agent_room.home.announced_state is not agent_room.agent.state
        space = await (self._space.known() if editor.is_dry else self._space.room_id())
        if space is None or home.space != space:
            # The Space never listed the room.
            return
        if agent_room.agent.state is AgentState.RETIRED:
            await self._space.unlist(editor, space, state.room_id, moved=moved)
            return
        content = child_content(self._namespace.domain, home.name, suggested=False)
        await self._space.list_room(editor, space, state.room_id, content, moved=moved)
