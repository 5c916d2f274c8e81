"""Closes turns whose answer the ghost cannot show; the bridge bot tells the room where it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.answering.outcome import Failure
from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.answers import AnswerExtras, Op, Part
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.turns import StopReason, TurnState

if TYPE_CHECKING:
    from agent_bridge.bridge.delivery.status_reactions import StatusReactions
    from agent_bridge.bridge.delivery.stop_offers import StopOffers
    from agent_bridge.core.rooms import RoomProblem
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Seconds for which the same problem is not told again in a room; the reaction ⚠️ shows each message.
_TOLD = 60.0


class Undeliverable:
    """Closes the turns of rooms in which a ghost cannot show an answer."""

    def __init__(
        self,
        homeserver: Homeserver,
        turns: Turns,
        status_reactions: StatusReactions,
        stop_offers: StopOffers,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._turns = turns
        self._status_reactions = status_reactions
        self._stop_offers = stop_offers
        self._texts = texts

    async def close(self, turn: Turn, obstacle: RoomProblem) -> bool:
        """Tell the room that *obstacle* prevents an answer, and close *turn* as failed.

        Return True if the turn was the last open one of its lane.
        """
        bot, cause = self._homeserver.namespace.bot, self._texts.silenced[obstacle]
        notice = Failure(cause).notice(self._texts, midway=False)
        told = await self._turns.was_announced(turn, cause, _TOLD)
        if turn.state is not TurnState.COMMITTED:
            extras = AnswerExtras(notice=None if told else notice)
            redacted = await self._turns.commit(turn, "", error=cause, parts=[], extras=extras)
            if redacted is not None:
                return await self._close_redacted(turn, redacted)
        await self._withdraw_offer(turn)
        await self._status_reactions.show(turn, TurnState.FAILED, bot)
        outbox = Outbox(self._homeserver, self._turns, turn, bot)
        try:
            await outbox.recover()
            if not told:
                await outbox.show(Op(Part.GIVE_UP, notice.summary, notice=True))
        except HomeserverRefused as error:
            _log.warning("the room was not told", room=turn.room_id, error=str(error))
        _log.warning("a message gets no answer", room=turn.room_id, cause=cause)
        return await outbox.close(TurnState.FAILED, error=cause)

    async def _close_redacted(self, turn: Turn, reason: StopReason) -> bool:
        """Close *turn* without a word, unless messages are left in it that were not redacted: they get a report."""
        if reason is StopReason.REDACTED and await self._turns.ask_the_rest(turn):
            return False
        await self._turns.commit(turn, "", error=None, parts=[], stopped=reason)
        await self._withdraw_offer(turn)
        outbox = Outbox(self._homeserver, self._turns, turn, self._homeserver.namespace.bot)
        if reason is StopReason.WITHDRAWN:
            try:
                await outbox.recover()
            except HomeserverRefused as error:
                _log.warning("an answer that was withdrawn may stay", room=turn.room_id, error=str(error))
        return await outbox.close(TurnState.STOPPED)

    async def _withdraw_offer(self, turn: Turn) -> None:
        """Remove the offer to stop that an earlier attempt has made: the ghost could still write then."""
        if turn.agent is not None:
            await self._stop_offers.withdraw(turn, self._homeserver.namespace.user_id(turn.agent.ghost))
