"""Opens the outbox of a turn: for its agent, or for the bridge itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.observer import UNOBSERVED
from agent_bridge.core.rooms import KindName
from agent_bridge.render.content import in_reply_to, message

if TYPE_CHECKING:
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.observer import Observer
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.turns import Turns

_log = logging.getLogger(__name__)


class Outboxes:
    """Opens the outbox of a turn for an agent. *observer* hears of the edits of agents."""

    def __init__(self, homeserver: Homeserver, turns: Turns, observer: Observer = UNOBSERVED) -> None:
        self._observer = observer
        self._homeserver = homeserver
        self._turns = turns

    def open(self, turn: Turn) -> tuple[Agent, Outbox]:
        """Return the agent of *turn*, and the outbox in which the agent's ghost answers.

        Raises:
            LookupError: *turn* is for the bridge bot.
        """
        if turn.agent is None:
            raise LookupError(f"turn {turn.key} is for no agent")
        ghost = self._homeserver.namespace.user_id(turn.agent.ghost)
        return turn.agent, Outbox(self._homeserver, self._turns, turn, ghost, self._observer)

    def for_bridge(self, turn: Turn) -> Outbox:
        """Return the outbox in which the bridge itself answers: as its bot, or as a ghost in a room without the bot."""
        return Outbox(self._homeserver, self._turns, turn, self._homeserver.namespace.voice_id(turn.voice))

    async def tell_as_bot(self, turn: Turn, text: str) -> None:
        """Have the bridge bot reply to *turn* with the notice *text*, because the ghost is not permitted to speak.

        In a room of people nothing is said of a ghost that they have removed.
        """
        content = message(text, mark=f"{turn.key}.bot", notice=True) | in_reply_to(turn.event_id)
        try:
            if turn.room_kind is KindName.GROUP and await self._is_removed(turn):
                return
            await self._homeserver.send(turn.room_id, content, txn_id=f"ab.{turn.key}.bot.{turn.retries}")
        except HomeserverRefused as error:
            _log.warning("nobody can tell the room that its agent is mute: %s", error)

    async def _is_removed(self, turn: Turn) -> bool:
        ghost = "" if turn.agent is None else self._homeserver.namespace.user_id(turn.agent.ghost)
        return await self._homeserver.membership(turn.room_id, ghost) in {"leave", "ban"}
