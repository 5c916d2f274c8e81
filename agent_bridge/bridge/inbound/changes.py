"""The part of intake that writes what changes earlier turns: decisions, redactions, edits, requests to go on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent_bridge.core.approvals import DecisionResult
from agent_bridge.core.changes import ChangeKind
from agent_bridge.core.payloads import RefusalPayload, RefusalReason
from agent_bridge.core.turns import Ignored, IgnoreReason
from agent_bridge.store.edits import ChangeRefusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.groups.hand_on import HandOn
    from agent_bridge.bridge.inbound.queue_limit import QueueLimit
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.approvals import DecisionRequest
    from agent_bridge.core.chains import ResumeRequest
    from agent_bridge.core.changes import ChangeRequest
    from agent_bridge.core.rooms import Room
    from agent_bridge.core.turns import NewTurn
    from agent_bridge.store.approvals import Approvals
    from agent_bridge.store.edits import Edits
    from agent_bridge.store.history import Histories
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.redactions import Redactions

#: Why a change is noted as ignored.
_UNCHANGED = {ChangeRefusal.MERGED: IgnoreReason.MERGED, ChangeRefusal.FOR_OTHERS: IgnoreReason.FOR_OTHERS}


class ChangeIntake:
    """Writes changes, and the turns in which the bot tells why one changes nothing.

    Every method works within the caller's transaction, and raises :class:`StoreError` if nothing was written.
    """

    def __init__(
        self,
        intake_store: IntakeStore,
        edits: Edits,
        redactions: Redactions,
        approvals: Approvals,
        histories: Histories,
        hand_on: HandOn,
        rules: Rules,
        queue_limit: QueueLimit,
    ) -> None:
        self._intake_store = intake_store
        self._edits = edits
        self._redactions = redactions
        self._approvals = approvals
        self._histories = histories
        self._hand_on = hand_on
        self._rules = rules
        self._queue_limit = queue_limit

    async def accept_turns(self, connection: Connection, turns: Sequence[NewTurn]) -> dict[str, list[int]]:
        """Write *turns*. A message whose refusal was told for an earlier message gets a mark in place of a reply."""
        lanes = await self._intake_store.accept(connection, turns)
        marks = [
            replace(each, payload=replace(each.payload, is_told=True), once_key=None)
            for each in turns
            if each.event_id not in lanes and each.is_marked and isinstance(each.payload, RefusalPayload)
        ]
        return lanes | await self._intake_store.accept(connection, marks)

    async def decide(
        self, connection: Connection, decision: DecisionRequest, ignored: list[Ignored]
    ) -> dict[str, list[int]]:
        """Take a decision about a tool call, or have the bot tell why not; return the lanes of that turn."""
        result = await self._approvals.decide(connection, decision)
        if result is DecisionResult.UNKNOWN:
            # A reaction to something else.
            return {}
        if result is DecisionResult.FORBIDDEN:
            return await self.accept_turns(connection, [self._rules.refused_decision(decision)])
        ignored.append(Ignored(decision.event_id, decision.room_id, IgnoreReason.DECISION))
        return {}

    async def resume(
        self, connection: Connection, resume: ResumeRequest, room: Room, ignored: list[Ignored]
    ) -> set[int]:
        """Let the agents go on that wait for people; return the lanes. A reaction to something else does nothing."""
        lanes = await self._hand_on.resume(connection, resume, room)
        if lanes is None:
            return set()
        ignored.append(Ignored(resume.event_id, resume.room_id, IgnoreReason.RESUME))
        return lanes

    async def redact(self, connection: Connection, change: ChangeRequest) -> list[int]:
        """Forget a redacted event, and have the events of the bridge redacted that belong to it."""
        forgotten = await self._redactions.carry_out(connection, change)
        lanes = list(forgotten.lanes)
        if forgotten.events:
            turns = await self._intake_store.accept(connection, [self._rules.erasure(change, forgotten.events)])
            lanes += turns.get(change.event_id, ())
        return lanes

    async def note(self, connection: Connection, change: ChangeRequest, *, is_complete: bool) -> list[int]:
        """Write an edit or 🔁; or the turn in which the bot tells why it changes nothing.

        The homeserver may deliver a change before its message. A change of an unknown message is left to a backfill of
        its room, which takes both in their order.
        """
        if change.may_wait and (shared := await self._edits.shared(connection, change)) is not None:
            await self._intake_store.accept(connection, [shared], shared=True)
        noted = await self._edits.note(connection, change, may_wait=change.may_wait)
        match noted.refusal:
            case None:
                return list(noted.lanes)
            case ChangeRefusal.FULL:
                payload = self._queue_limit.refusal(change.message)
            case ChangeRefusal.UNKNOWN if change.is_expected:
                if not is_complete and await self._histories.require_backfill_of(connection, change.room_id):
                    return []
                payload = RefusalPayload(RefusalReason.UNKNOWN_TARGET)
            case _:
                reason = _UNCHANGED.get(noted.refusal, IgnoreReason.CHANGE)
                await self._intake_store.ignore(connection, [Ignored(change.event_id, change.room_id, reason)])
                return list(noted.lanes)
        # People do not see the reactions and replies to a reaction.
        target = change.target if change.kind is ChangeKind.AGAIN else ""
        refused = self._rules.refused_change(change, replace(payload, target=target))
        return (await self.accept_turns(connection, [refused])).get(change.event_id, [])
