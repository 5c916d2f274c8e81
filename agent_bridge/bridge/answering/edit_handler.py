"""Changes: an edited question, or one whose answer did not please, is answered again where it was answered before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.outbox import Speaker
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.turns import TurnState, Wish

if TYPE_CHECKING:
    from agent_bridge.core.ids import Names
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Words
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Contacts
    from agent_bridge.store.edits import Changes
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)


class Changer:
    """Carries out the turns of kind *change*, each behind all that was said before it."""

    def __init__(
        self, homeserver: Homeserver, names: Names, contacts: Contacts, turns: Turns, changes: Changes, words: Words
    ) -> None:
        self._homeserver = homeserver
        self._names = names
        self._contacts = contacts
        self._turns = turns
        self._changes = changes
        self._words = words

    async def handle(self, turn: Turn) -> None:
        """Have the earlier message asked anew, next in its lane; or tell that the past stays as it is."""
        if turn.state is not TurnState.ANSWERED and await self._changes.ask_anew(turn):
            _log.info("asked anew", room=turn.room_id, wish=turn.payload["wish"])
            if turn.payload["wish"] == Wish.AGAIN:
                await self._take_back(turn)
            await self._turns.finish(turn, TurnState.DONE, {})
            return
        speaker = await self._voice(turn)
        await speaker.recall()
        await speaker.reply(turn.answer or self._words.retried_edit_past, to=str(turn.payload["target"]))

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn: the earlier message and its answer stay as they are."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _take_back(self, turn: Turn) -> None:
        """Take the person's reaction back: nobody can react twice with the same, and they may want to ask once more."""
        speaker = await self._voice(turn)
        try:
            await self._homeserver.redact(
                turn.room_id, turn.event_id, txn_id=f"ab.{turn.key}.redact", as_user=speaker.user_id
            )
        except HomeserverRefused as error:
            _log.info("a reaction stays", room=turn.room_id, error=str(error))

    async def _voice(self, turn: Turn) -> Speaker:
        if turn.portal is None:
            raise LookupError(f"turn {turn.key} is not in an agent's room")
        contact = await self._contacts.by_portal(turn.portal)
        return Speaker(self._homeserver, self._turns, turn, self._names.user_id(contact.agent.ghost))
