"""The role is checked again when a turn is claimed: its sender may have lost it, or was muted, while it waited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.turns import TurnState

if TYPE_CHECKING:
    from agent_bridge.bridge.queue.worker import Handler
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)


class PermittedTurns:
    """Leaves the turns of people whose texts agents may get to another handler, and ends those of others.

    A turn that was claimed before has perhaps shown a part of its answer: it ends by the request to stop that the loss
    of the role and a mute write.
    """

    def __init__(self, handler: Handler, turns: Turns, roles: Roles) -> None:
        self._handler = handler
        self._turns = turns
        self._roles = roles

    async def handle(self, turn: Turn) -> bool | None:
        """Have *turn* handled, or end it without a word."""
        if turn.attempts == 1 and not self._roles.reads(turn.sender, turn.room_id):
            _log.info("a turn ends: its sender has no role any more, or is muted", sender=turn.sender)
            return await self._turns.finish(turn, TurnState.STOPPED, {})
        return await self._handler.handle(turn)

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Tell the room that *turn* failed."""
        await self._handler.give_up(turn, cause)
