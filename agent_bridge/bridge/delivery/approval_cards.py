"""Cards: messages of a ghost that ask people whether a tool may run, with reactions to click on.

A card is a part of the answer, so it is sent once, found again after a crash, and redacted together with the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.answers import Op, Part
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import MARK
from agent_bridge.render.approval import ALLOW, ALWAYS, DENY, card
from agent_bridge.render.content import reaction

if TYPE_CHECKING:
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.core.approvals import Approval
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)

#: The reactions, by their names in marks and transaction ids.
_REACTIONS = {"allow": ALLOW, "deny": DENY, "always": ALWAYS}


class ApprovalCards:
    """Shows requests. *agent* is always the agent's name, and *timeout* the number of seconds to decide."""

    def __init__(self, homeserver: Homeserver, texts: Texts) -> None:
        self._homeserver = homeserver
        self._texts = texts

    def op(self, approval: Approval, agent: str, timeout: float) -> Op:
        """Return the message that shows *approval*."""
        text, plain = card(approval, agent, timeout, self._texts)
        return Op(Part.CARDS[approval.number], text, notice=True, plain=plain)

    async def show(self, outbox: Outbox, op: Op) -> str | None:
        """Send or edit the card that *op* shows, and return its event; None if a person has redacted the answer.

        Raises:
            HomeserverError: it is not shown.
            StoreError: its event was not recorded.
        """
        await outbox.show(op)
        return outbox.event_ids.get(op.part)

    async def offer(self, turn: Turn, approval: Approval, event_id: str, ghost: str) -> None:
        """Add the reactions of *ghost* to the card *event_id*. A repeat changes nothing; a refusal is only logged.

        Raises:
            HomeserverUnavailable: the homeserver did not answer.
        """
        for name, key in _REACTIONS.items():
            if key == ALWAYS and not approval.always:
                continue
            mark = self._mark(turn, approval, name)
            content = reaction(event_id, key) | {MARK: mark}
            txn_id = f"ab.{mark}.{turn.attempts}"
            try:
                await self._homeserver.send(turn.room_id, content, kind="m.reaction", txn_id=txn_id, as_user=ghost)
            except HomeserverRefused as error:
                _log.info("an offer to decide was not shown", room=turn.room_id, error=str(error))

    async def withdraw_offers(self, turn: Turn, approval: Approval, event_id: str, ghost: str) -> None:
        """Remove the reactions of *ghost* to the card *event_id*; a refusal is only logged.

        Raises:
            HomeserverUnavailable: the homeserver did not answer.
        """
        marks = {self._mark(turn, approval, name) for name in _REACTIONS}
        try:
            for event in await self._homeserver.annotations(turn.room_id, event_id, ghost):
                if event.get("sender") == ghost and event["content"].get(MARK) in marks:
                    txn_id = f"ab.{turn.key}.{event['event_id']}.redact"
                    await self._homeserver.redact(turn.room_id, event["event_id"], txn_id=txn_id, as_user=ghost)
        except HomeserverRefused as error:
            _log.info("an offer to decide was not removed", room=turn.room_id, error=str(error))

    @staticmethod
    def _mark(turn: Turn, approval: Approval, name: str) -> str:
        return f"{turn.key}.approval{approval.number}.{name}"
