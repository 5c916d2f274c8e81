"""The reactions ⚠️ and 🔁 of a ghost to a message that got no whole answer. They are removed when it gets one.

A click on the 🔁 makes a reaction of the person, which asks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.own_reactions import remove_reactions
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import MARK
from agent_bridge.core.turns import TurnState
from agent_bridge.render.content import reaction

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)

WARNING = "⚠️"
AGAIN = "🔁"
#: The reactions, by their names in marks and transaction ids.
_REACTIONS = {"warning": WARNING, "again": AGAIN}


class StatusReactions:
    """Adds and removes the reactions. A repeat changes nothing."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    async def show(self, turn: Turn, state: TurnState, ghost: str) -> None:
        """Make the reaction of the user *ghost* to the message of *turn* match *state*, in which the turn ends.

        Raises:
            HomeserverUnavailable: the homeserver did not answer; trying again may help.
        """
        try:
            if state is TurnState.FAILED:
                await self._warn(turn, ghost)
            elif turn.attempts > 1:
                await self._clear(turn, ghost)
        except HomeserverRefused as error:
            # The message was redacted, or the room does not permit reactions. The answer is shown all the same.
            _log.info("the status reaction of a message was refused", room=turn.room_id, error=str(error))

    async def _warn(self, turn: Turn, ghost: str) -> None:
        # An agent that is gone answers nothing.
        gone = turn.agent is not None and turn.agent.state.is_at_rest
        for name, key in _REACTIONS.items():
            if key == AGAIN and gone:
                continue
            content = reaction(turn.event_id, key) | {MARK: f"{turn.key}.{name}"}
            txn_id = f"ab.{turn.key}.{name}.{turn.retries}"
            await self._homeserver.send(turn.room_id, content, kind="m.reaction", txn_id=txn_id, as_user=ghost)

    async def _clear(self, turn: Turn, ghost: str) -> None:
        marks = {f"{turn.key}.{name}" for name in _REACTIONS}
        # The bot reacts in place of a ghost that may not.
        await remove_reactions(self._homeserver, turn, ghost, marks, name="warning", by_bot=True)
