"""What became of a message, step by step, in words: for ``why`` in a room and on the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from agent_bridge.bridge.inbound.rules import Place
from agent_bridge.core.turns import Ignored, NewTurn, TurnState
from agent_bridge.i18n.catalogue import cause
from agent_bridge.matrix.events import parse_event
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.turns import Step
    from agent_bridge.i18n.catalogue import Words
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Contacts
    from agent_bridge.store.turn_admin import Entry, Ledger
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


class Stories:
    """Tells them."""

    def __init__(
        self, ledger: Ledger, turns: Turns, contacts: Contacts, homeserver: Homeserver, rules: Rules, words: Words
    ) -> None:
        self._ledger = ledger
        self._turns = turns
        self._contacts = contacts
        self._homeserver = homeserver
        self._rules = rules
        self._words = words

    async def tell(self, text: str) -> str:
        """Return as Markdown what became of the message that *text* names: a link, an event id or a turn's name."""
        room_id, reference = reference_of(text)
        entry = await self._ledger.find(reference)
        if entry is not None:
            return await self._of_turn(entry, reference)
        reason = await self._ledger.ignored(reference)
        if reason is not None:
            return self._ignored(reason)
        if room_id is not None:
            return await self._of_unknown(room_id, reference)
        return self._words.why_unknown.format(reference=escape(reference))

    async def _of_turn(self, entry: Entry, reference: str) -> str:
        words = self._words
        sends = [send for send in await self._turns.sends(entry.id) if send.event_id is not None]
        moments = [(entry.said_at, words.story_said)]
        moments += [(entry.created_at, words.story_received.format(kind=words.kinds[entry.kind]))]
        if entry.started_at is not None:
            waited = (entry.started_at - entry.created_at).total_seconds()
            moments += [(entry.started_at, words.story_started.format(seconds=waited))]
        moments += [(step.at, escape(self._step(step))) for step in entry.steps]
        moments += [(send.created_at, words.story_part.format(part=send.part, event=send.event_id)) for send in sends]
        counts = words.story_counts.format(
            times=words.count(entry.attempts, words.time),
            failures=words.count(entry.failures, words.failure),
            interruptions=words.count(entry.interruptions, words.interruption),
        )
        lines = [self._head(entry), "", *(f"- {_time(at)}: {what}" for at, what in moments), counts]
        if any(send.event_id == reference for send in sends):
            lines.append(words.story_question.format(event=entry.event_id))
        return "\n".join(lines)

    def _head(self, entry: Entry) -> str:
        if entry.collected_into is not None:
            state = self._words.why_collected.format(event=entry.collected_into)
        else:
            state = self._words.why_state[entry.state].format(error=cause(entry.error or self._words.see_below))
        return (self._words.story_of_agent if entry.agent else self._words.story).format(
            turn=entry.key,
            kind=self._words.kinds[entry.kind],
            agent=escape(entry.agent or ""),
            sender=escape(entry.sender),
            state=state,
        )

    def _step(self, step: Step) -> str:
        # What an older program wrote down stands as it is.
        told = self._words.steps[step.what].format(**step.details) if step.what in self._words.steps else step.what
        return f"{told}; {error}" if (error := step.details.get("error")) else told

    def _ignored(self, reason: str) -> str:
        return self._words.why_ignored.format(reason=self._words.ignored.get(reason, reason))

    async def _of_unknown(self, room_id: str, event_id: str) -> str:
        """Tell what the rules say of an event that the bridge has not noted."""
        portals = await self._contacts.portals_in([room_id])
        found = await self._homeserver.event(room_id, event_id)
        event = None if found is None else parse_event(found)
        if event is None:
            return self._words.why_unseen
        if self._rules.names.is_ours(event.sender):
            return self._words.why_ours
        match self._rules.decide(event, Place(portals.get(room_id))):
            case NewTurn():
                return self._words.why_not_handed_over
            case Ignored(reason=reason):
                return self._ignored(reason)
            case _ if room_id not in portals:
                return self._words.why_no_portal.format(prefix=self._rules.prefix)
            case _:
                return self._words.why_not_a_message.format(type=escape(event.type))


def open_state(entry: Entry, words: Words) -> str:
    """Return in a few words where an open turn stands."""
    match entry.state:
        case TurnState.RUNNING:
            return words.is_answered
        case TurnState.ANSWERED:
            return words.is_shown
        case _:
            return words.waits_again if entry.attempts else words.waits


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
