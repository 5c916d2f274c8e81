"""The records and notices about the rooms of agents: problems, and agents that are gone or back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.content import escape, message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.rooms import RoomProblem
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom, Agents

_log = structlog.stdlib.get_logger(__name__)


class RoomReports:
    """Records the result of a comparison. A text that the homeserver refuses is left out."""

    def __init__(
        self, homeserver: Homeserver, namespace: Namespace, agents: Agents, texts: Texts, *, sets_offline: bool
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._agents = agents
        self._texts = texts
        #: Whether the presence of a ghost lapses otherwise, some time later.
        self._sets_offline = sets_offline

    async def report(self, agent_room: AgentRoom, problems: Iterable[RoomProblem]) -> None:
        """Log new problems, tell the room of those that its members notice, and record all of them."""
        home, found = agent_room.home, sorted(set(problems))
        for problem in found:
            if problem not in home.problems:
                cause = ENGLISH.room_problems[problem]
                _log.error("a room has a problem", agent=agent_room.agent.name, room=home.room_id, problem=cause)
                await self._tell_problem(agent_room, problem)
        if solved := set(home.problems) - set(found):
            _log.info("a room has a problem less", room=home.room_id, solved=sorted(solved))
        await self.checked(agent_room, found)

    async def checked(self, agent_room: AgentRoom, problems: Iterable[RoomProblem]) -> None:
        """Record that the room was compared, and its *problems*."""
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
        admin = self._texts.who_can_help
        text = text.format(name=escape(agent.name), ghost=ghost, bot=self._namespace.bot, admin=admin)
        content = message(text, mark=mark(key, 0), notice=True)
        try:
            await self._homeserver.send(room_id, content, txn_id=f"ab.{key}")
        except HomeserverRefused as error:
            _log.warning("a room was not told of its problem", room=room_id, error=str(error))

    async def tell_state(self, agent_room: AgentRoom) -> None:
        """Tell the people in the room when the agent is gone or back, and show the ghost of one at rest as offline."""
        agent, home = agent_room.agent, agent_room.home
        if home.room_id is None or home.announced_state is agent.state:
            return
        if home.announced_state.is_at_rest and agent.state.is_at_rest:
            # They were told that the agent is gone.
            await self._agents.announced(home.id, agent.state)
            return
        text = self._texts.agent_left if agent.state.is_at_rest else self._texts.agent_back
        key = f"{agent.ghost}.{agent.state}.{int(agent.state_since.timestamp())}"
        content = message(text.format(name=escape(agent.name)), mark=mark(key, 0), notice=True)
        ghost = self._namespace.user_id(agent.ghost)
        try:
            await self._homeserver.send(home.room_id, content, txn_id=f"ab.{key}", as_user=ghost)
        except HomeserverRefused as error:
            _log.warning("a room was not told of the agent's state", room=home.room_id, error=str(error))
        if agent.state.is_at_rest and self._sets_offline:
            # After the message, which may show the ghost as online.
            await self._offline(ghost)
        await self._agents.announced(home.id, agent.state)

    async def _offline(self, ghost: str) -> None:
        try:
            await self._homeserver.presence(ghost, "offline")
        except HomeserverRefused as error:
            _log.info("the presence of an agent was not set", ghost=ghost, error=str(error))
