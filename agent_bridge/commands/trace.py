"""What became of a message, step by step, in words: for ``why`` in a room and on the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from agent_bridge.core.turns import Ignored, NewTurn, TurnState
from agent_bridge.i18n.catalogue import cause
from agent_bridge.matrix.events import parse_event
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.turns import Step
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.turn_admin import TurnAdmin, TurnSummary
    from agent_bridge.store.turns import Turns

_LINK = re.compile(r"(?:matrix\.to/#/|matrix:roomid/)(?P<room>[^/?]+)/(?:e/)?(?P<event>[^/?)\s]+)")


def reference_of(text: str) -> tuple[str | None, str]:
    """Return the room (None where it is not told) and the event of a link, an event id, or a turn's name."""
    text = text.strip().strip("<>`")
    found = _LINK.search(text)
    if found is None:
        return None, text
    room, event = unquote(found["room"]), unquote(found["event"])
    return (room if room.startswith(("!", "#")) else f"!{room}"), (event if event.startswith("$") else f"${event}")


class Traces:
    """Tells them."""

    def __init__(
        self, turn_admin: TurnAdmin, turns: Turns, rooms: Rooms, homeserver: Homeserver, rules: Rules, texts: Texts
    ) -> None:
        self._turn_admin = turn_admin
        self._turns = turns
        self._rooms = rooms
        self._homeserver = homeserver
        self._rules = rules
        self._texts = texts

    async def tell(self, text: str) -> str:
        """Return as Markdown what became of the message that *text* names: a link, an event id or a turn's name."""
        room_id, reference = reference_of(text)
        if summaries := await self._turn_admin.find(reference):
            return "\n\n".join([await self._of_turn(summary, reference) for summary in summaries])
        reason = await self._turn_admin.ignored(reference)
        if reason is not None:
            return self._ignored(reason)
        if room_id is not None:
            return await self._of_unknown(room_id, reference)
        return self._texts.why_unknown.format(reference=escape(reference))

    async def _of_turn(self, summary: TurnSummary, reference: str) -> str:
        words = self._texts
        sends = [send for send in await self._turns.sends(summary.id) if send.event_id is not None]
        moments = [(summary.said_at, words.story_said)]
        moments += [(summary.created_at, words.story_received.format(kind=words.kinds[summary.kind]))]
        if summary.started_at is not None:
            waited = (summary.started_at - summary.created_at).total_seconds()
            moments += [(summary.started_at, words.story_started.format(seconds=waited))]
        moments += [(step.at, escape(self._step(step))) for step in summary.steps]
        moments += [(send.created_at, words.story_part.format(part=send.part, event=send.event_id)) for send in sends]
        counts = words.story_counts.format(
            times=words.count(summary.attempts, words.time),
            failures=words.count(summary.failures, words.failure),
            interruptions=words.count(summary.interruptions, words.interruption),
        )
        lines = [self._head(summary), "", *(f"- {_time(at)}: {what}" for at, what in moments), counts]
        if any(send.event_id == reference for send in sends):
            lines.append(words.story_question.format(event=summary.event_id))
        return "\n".join(lines)

    def _head(self, summary: TurnSummary) -> str:
        if summary.collected_into is not None:
            state = self._texts.why_collected.format(event=summary.collected_into)
        else:
            state = self._texts.why_state[summary.state].format(error=cause(summary.error or self._texts.see_below))
        return (self._texts.story_of_agent if summary.agent else self._texts.story).format(
            turn=summary.key,
            kind=self._texts.kinds[summary.kind],
            agent=escape(summary.agent or ""),
            sender=escape(summary.sender),
            state=state,
        )

    def _step(self, step: Step) -> str:
        # What an older program wrote down stands as it is.
        told = self._texts.steps[step.what].format(**step.details) if step.what in self._texts.steps else step.what
        return f"{told}; {error}" if (error := step.details.get("error")) else told

    def _ignored(self, reason: str) -> str:
        return self._texts.why_ignored.format(reason=self._texts.ignored.get(reason, reason))

    async def _of_unknown(self, room_id: str, event_id: str) -> str:
        """Tell what the rules say of an event that the bridge has not noted."""
        room = (await self._rooms.contexts([room_id])).get(room_id)
        found = await self._homeserver.event(room_id, event_id)
        event = None if found is None else parse_event(found)
        if event is None or self._rules.namespace.is_ours(event.sender):
            return self._texts.why_unseen if event is None else self._texts.why_ours
        match self._rules.decide(event, room):
            case NewTurn():
                return self._texts.why_not_handed_over
            case Ignored(reason=reason):
                return self._ignored(reason)
            case _ if room is None or not room.participants:
                return self._texts.why_no_portal.format(prefix=self._rules.prefix)
        if event.type == "m.room.message":
            return self._texts.why_not_addressed
        return self._texts.why_not_a_message.format(type=escape(event.type))


def open_state(summary: TurnSummary, texts: Texts) -> str:
    """Return in a few words where an open turn stands."""
    match summary.state:
        case TurnState.RUNNING:
            return texts.is_answered
        case TurnState.COMMITTED:
            return texts.is_shown
        case _:
            return texts.waits_again if summary.attempts else texts.waits


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
