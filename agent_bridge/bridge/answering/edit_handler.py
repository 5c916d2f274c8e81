"""The handler of edits and 🔁: the earlier message is asked again, and the new answer replaces the old one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.answering.outcome import quota_line, quota_news
from agent_bridge.core.answers import Reply
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.payloads import AgainPayload, EditPayload
from agent_bridge.core.turns import TurnState

if TYPE_CHECKING:
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.bridge.delivery.outboxes import Outboxes
    from agent_bridge.bridge.metering.gate import Gate
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.edits import Edits
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)


class EditHandler:
    """Handles the turns of the kinds *edit* and *again*, in the order of their lane like messages."""

    def __init__(
        self, homeserver: Homeserver, outboxes: Outboxes, turns: Turns, edits: Edits, gate: Gate, texts: Texts
    ) -> None:
        self._gate = gate
        self._homeserver = homeserver
        self._outboxes = outboxes
        self._turns = turns
        self._edits = edits
        self._texts = texts

    async def handle(self, turn: Turn) -> None:
        """Queue the earlier message again, next in its lane; or tell the person that its answer stays as it is."""
        agent, outbox = self._outboxes.open(turn)
        target = turn.payload.target if isinstance(turn.payload, EditPayload | AgainPayload) else None
        refused = await outbox.reply_once(partial(self._apply, turn, agent, outbox), to=target)
        if not refused:
            await self._turns.finish(turn, TurnState.DONE, {})

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn as failed because of *cause*: the earlier message and its answer stay as they are."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _apply(self, turn: Turn, agent: Agent, outbox: Outbox) -> Reply | None:
        """Queue the earlier message again; return the reason if that is refused.

        Beyond a quota the answer stays. That is told once for each person and span of time.
        """
        refusal = await self._gate.check(turn, agent)
        if refusal is not None:
            if isinstance(turn.payload, AgainPayload):
                await self._remove_reaction(turn, outbox)
            line = quota_line(refusal, agent.name, self._texts)
            is_first = await self._turns.claim_once(turn, refusal.key, quota_news(turn, agent.name, line))
            return Reply(line) if is_first else None
        if not await self._edits.ask_again(turn):
            return Reply(self._texts.retried_edit_past)
        _log.info("an earlier message is asked again", room=turn.room_id, change=turn.kind)
        if isinstance(turn.payload, AgainPayload):
            await self._remove_reaction(turn, outbox)
        return None

    async def _remove_reaction(self, turn: Turn, outbox: Outbox) -> None:
        """Redact the person's 🔁, so that the person can react once more.

        In rooms of several agents only the bot may have the power for it.
        """
        txn_id = f"ab.{turn.key}.redact"
        for user in (outbox.user_id, self._homeserver.namespace.bot):
            try:
                await self._homeserver.redact(turn.room_id, turn.event_id, txn_id=txn_id, as_user=user)
            except HomeserverRefused as error:
                _log.info("a reaction is not removed", room=turn.room_id, user=user, error=str(error))
            else:
                return
