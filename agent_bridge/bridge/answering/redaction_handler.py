"""The handler of redactions: the events of the bridge that a redaction concerns are redacted too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.payloads import RedactionPayload
from agent_bridge.core.turns import TurnState

if TYPE_CHECKING:
    from agent_bridge.bridge.delivery.erasure import Eraser
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.turns import Turns


class RedactionHandler:
    """Handles the turns of kind *redaction*."""

    def __init__(self, turns: Turns, eraser: Eraser, namespace: Namespace) -> None:
        self._turns = turns
        self._eraser = eraser
        self._namespace = namespace

    async def handle(self, turn: Turn) -> None:
        """Redact the events with their edits, and close the turn."""
        events = turn.payload.events if isinstance(turn.payload, RedactionPayload) else ()
        for event in events:
            await self._eraser.erase(turn.room_id, event.event_id, self._namespace.user_id(event.sender))
        await self._turns.finish(turn, TurnState.DONE, {})

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn as failed because of *cause*."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)
