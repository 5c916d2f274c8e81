"""Steps of the provisioner that the homeserver may refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.rooms import RoomProblem

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from agent_bridge.store.agents import AgentRoom

_log = structlog.stdlib.get_logger(__name__)


class Steps:
    """The steps of one run that may be refused, and the problems that come of it."""

    def __init__(self, agent_room: AgentRoom) -> None:
        self._agent_room = agent_room
        # A refused display name is requested again at the next start only, and levels of roles are not a step.
        self.problems = {RoomProblem.NO_DISPLAYNAME, RoomProblem.LEVEL_STUCK} & set(agent_room.home.problems)

    async def attempt(self, problem: RoomProblem, step: Awaitable[bool | None]) -> bool:
        """Carry out *step*; a refusal is *problem*. Tell whether the step changed the room's state."""
        try:
            return bool(await step)
        except HomeserverRefused as error:
            self.problems.add(problem)
            known = problem in self._agent_room.home.problems
            log = _log.debug if known else _log.warning
            log("a step was refused", agent=self._agent_room.agent.name, problem=str(problem), error=str(error))
            return False
