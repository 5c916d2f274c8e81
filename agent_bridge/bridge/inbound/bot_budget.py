"""The budget of accounts of other bots: how often each of them is answered by an agent in a minute."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.roles import Role
from agent_bridge.core.turns import Ignored, IgnoreReason, NewTurn, TurnKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.core.chains import ChainBudget
    from agent_bridge.core.live import Live
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.rooms import Room
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class BotBudget:
    """Leaves out the messages of a bot beyond the *budget* of two agents.

    Two bots that answer each other must come to an end.
    """

    intake_store: IntakeStore
    roles: Roles
    budget: Live[ChainBudget]

    async def applied(
        self, connection: Connection, new: Sequence[NewTurn | ChangeRequest], rooms: Mapping[str, Room]
    ) -> tuple[list[NewTurn | ChangeRequest], list[Ignored]]:
        """Return those of *new* that are within the budget, and the others, within the caller's transaction.

        Without a message of a bot this costs nothing.
        """
        asked = [each for each in new if self._is_bots(each)]
        if not asked:
            return list(new), []
        known = await self.intake_store.known([each.event_id for each in asked], connection)
        kept: list[NewTurn | ChangeRequest] = []
        over: list[Ignored] = []
        for each in new:
            if each.event_id in known or not self._is_bots(each):
                kept.append(each)
            elif (left := await self._within(connection, each, rooms.get(each.room_id))) is not None:
                kept.append(left)
            else:
                over.append(Ignored(each.event_id, each.room_id, IgnoreReason.BUDGET))
        return kept, over

    def _is_bots(self, asked: NewTurn | ChangeRequest) -> bool:
        asks = asked.kind in {TurnKind.MESSAGE, ChangeKind.EDIT}
        return asks and self.roles.of(asked.sender, asked.room_id) is Role.AGENT

    async def _within(
        self, connection: Connection, asked: NewTurn | ChangeRequest, room: Room | None
    ) -> NewTurn | ChangeRequest | None:
        """Return *asked* for the agents that the bot may ask now; None if there is none."""
        agents = sorted({each.agent for each in asked.addressees or () if each.agent is not None})
        if not agents and room is not None and room.owner is not None:
            agents = [room.owner]
        within = [
            agent
            for agent in agents
            if await self.intake_store.take_budget(connection, asked.sender, agent, self.budget.value.pair)
        ]
        if not within:
            return None
        if not asked.addressees:
            return asked
        return replace(asked, addressees=tuple(each for each in asked.addressees if each.agent in within))
