"""Changes: an edited question, or one whose answer did not please, is answered again where it was answered before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.turns import ChangeKind, TurnState

if TYPE_CHECKING:
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.edits import Edits
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)


class EditHandler:
    """Carries out the turns of kind *change*, each behind all that was said before it."""

    def __init__(
        self, homeserver: Homeserver, namespace: Namespace, agents: Agents, turns: Turns, edits: Edits, texts: Texts
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._agents = agents
        self._turns = turns
        self._edits = edits
        self._texts = texts

    async def handle(self, turn: Turn) -> None:
        """Have the earlier message asked anew, next in its lane; or tell that the past stays as it is."""
        if turn.state is not TurnState.COMMITTED and await self._edits.ask_again(turn):
            _log.info("asked anew", room=turn.room_id, wish=turn.payload["wish"])
            if turn.payload["wish"] == ChangeKind.AGAIN:
                await self._take_back(turn)
            await self._turns.finish(turn, TurnState.DONE, {})
            return
        outbox = await self._voice(turn)
        await outbox.recover()
        await outbox.reply(turn.answer or self._texts.retried_edit_past, to=str(turn.payload["target"]))

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn: the earlier message and its answer stay as they are."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _take_back(self, turn: Turn) -> None:
        """Take the person's reaction back: nobody can react twice with the same, and they may want to ask once more."""
        outbox = await self._voice(turn)
        try:
            await self._homeserver.redact(
                turn.room_id, turn.event_id, txn_id=f"ab.{turn.key}.redact", as_user=outbox.user_id
            )
        except HomeserverRefused as error:
            _log.info("a reaction stays", room=turn.room_id, error=str(error))

    async def _voice(self, turn: Turn) -> Outbox:
        if turn.portal is None:
            raise LookupError(f"turn {turn.key} is not in an agent's room")
        agent_room = await self._agents.by_portal(turn.portal)
        return Outbox(self._homeserver, self._turns, turn, self._namespace.user_id(agent_room.agent.ghost))
