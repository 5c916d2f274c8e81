"""Changes: an edited question, or one whose answer did not please, is answered again where it was answered before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.payloads import AgainPayload, EditPayload
from agent_bridge.core.turns import TurnState

if TYPE_CHECKING:
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.edits import Edits
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)


class EditHandler:
    """Carries out the turns of the kinds *edit* and *again*, each behind all messages that were said before it."""

    def __init__(self, homeserver: Homeserver, namespace: Namespace, turns: Turns, edits: Edits, texts: Texts) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._turns = turns
        self._edits = edits
        self._texts = texts

    async def handle(self, turn: Turn) -> None:
        """Have the earlier message asked anew, next in its lane; or tell that the past stays as it is."""
        if turn.state is not TurnState.COMMITTED and await self._edits.ask_again(turn):
            _log.info("asked again", room=turn.room_id, kind=turn.kind)
            if isinstance(turn.payload, AgainPayload):
                await self._take_back(turn)
            await self._turns.finish(turn, TurnState.DONE, {})
            return
        outbox = self._voice(turn)
        await outbox.recover()
        target = turn.payload.target if isinstance(turn.payload, EditPayload) else None
        await outbox.reply(turn.answer or self._texts.retried_edit_past, to=target)

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn: the earlier message and its answer stay as they are."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _take_back(self, turn: Turn) -> None:
        """Take the person's reaction back: nobody can react twice with the same, and they may want to ask once more."""
        outbox = self._voice(turn)
        try:
            await self._homeserver.redact(
                turn.room_id, turn.event_id, txn_id=f"ab.{turn.key}.redact", as_user=outbox.user_id
            )
        except HomeserverRefused as error:
            _log.info("a reaction stays", room=turn.room_id, error=str(error))

    def _voice(self, turn: Turn) -> Outbox:
        if turn.agent is None:
            raise LookupError(f"turn {turn.key} is for no agent")
        return Outbox(self._homeserver, self._turns, turn, self._namespace.user_id(turn.agent.ghost))
