"""Traces: all that the bridge knows about its handling of a message, for ``why`` in a room and on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.rooms.addressing import Silence, why_silent
from agent_bridge.core.results.traces import NoTrace, NoTraceReason, Trace, TracePart, TurnTrace
from agent_bridge.core.turns import Ignored, NewTurn
from agent_bridge.matrix.events import parse_event
from agent_bridge.matrix.relayed import raw_as_said

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.commands.lookup import MessageReference
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.turn_admin import TurnAdmin, TurnSummary
    from agent_bridge.store.turns import Turns

_SILENT = {
    Silence.NOT_ADDRESSED: NoTraceReason.NOT_ADDRESSED,
    Silence.FOR_OTHERS: NoTraceReason.FOR_OTHERS,
    Silence.OFF: NoTraceReason.ANSWERS_OFF,
}


class Traces:
    """Finds them, in the database and, for an event that is not there, on the homeserver."""

    def __init__(self, turn_admin: TurnAdmin, turns: Turns, rooms: Rooms, homeserver: Homeserver, rules: Rules) -> None:
        self._turn_admin = turn_admin
        self._turns = turns
        self._rooms = rooms
        self._homeserver = homeserver
        self._rules = rules

    async def find(self, message: MessageReference) -> Trace | NoTrace:
        """Return the turns of *message*, or why it has none.

        Raises:
            StoreError: the database cannot be read.
            HomeserverError: the homeserver had to be asked for the event, and failed.
        """
        if summaries := await self._turn_admin.find(message.name):
            return Trace(message.name, tuple([await self._turn(summary) for summary in summaries]))
        reason = await self._turn_admin.ignored(message.name)
        if reason is not None:
            return NoTrace(message.name, NoTraceReason.IGNORED, reason)
        if message.room is None:
            return NoTrace(message.name, NoTraceReason.UNKNOWN)
        return await self._without_turn(message.room, message.name)

    async def _turn(self, summary: TurnSummary) -> TurnTrace:
        sends = await self._turns.sends(summary.id)
        return TurnTrace(
            key=summary.key,
            event_id=summary.event_id,
            kind=summary.kind,
            sender=summary.sender,
            agent=summary.agent,
            state=summary.state,
            error=summary.error,
            collected_into=summary.collected_into,
            said_at=summary.said_at,
            created_at=summary.created_at,
            started_at=summary.started_at,
            attempts=summary.attempts,
            failures=summary.failures,
            interruptions=summary.interruptions,
            steps=summary.steps,
            parts=tuple(
                TracePart(send.part, send.event_id, send.created_at) for send in sends if send.event_id is not None
            ),
            is_redacted=summary.is_redacted,
            usage=summary.usage,
            chain=summary.chain,
        )

    async def _without_turn(self, room_id: str, event_id: str) -> NoTrace:
        """Return the decision of the rules about an event that the bridge has not stored."""
        room = (await self._rooms.contexts([room_id])).get(room_id)
        found = await self._homeserver.event(room_id, event_id)
        if found is None and room is not None and (agent := next(iter(room.participants), None)) is not None:
            # The bot is not there.
            found = await self._homeserver.event(room_id, event_id, self._rules.namespace.user_id(agent.ghost))
        event = None if found is None else parse_event(raw_as_said(found, self._rules.namespace))
        if event is None:
            return NoTrace(event_id, NoTraceReason.NOT_VISIBLE)
        if self._rules.namespace.is_ours(event.sender):
            return NoTrace(event_id, NoTraceReason.OWN_EVENT)
        match self._rules.decide(event, room):
            case NewTurn():
                return NoTrace(event_id, NoTraceReason.NOT_RECEIVED)
            case Ignored(reason=reason):
                return NoTrace(event_id, NoTraceReason.IGNORED, reason)
            case _ if room is None or not room.participants:
                cause = NoTraceReason.NO_PORTAL
            case _ if event.type == "m.room.message":
                cause = _SILENT[why_silent(event, room, self._rules.namespace) or Silence.NOT_ADDRESSED]
            case _:
                cause = NoTraceReason.NOT_A_MESSAGE
        return NoTrace(event_id, cause, event.type)
