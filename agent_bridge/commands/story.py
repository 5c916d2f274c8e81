"""What became of a message, step by step, in words: for ``why`` in a room and on the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from agent_bridge.bridge.rules import Place
from agent_bridge.core.model import Ignored, NewTurn, TurnState
from agent_bridge.matrix.events import parse_event
from agent_bridge.render import words
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.bridge.rules import Rules
    from agent_bridge.matrix.homeserver import Homeserver
    from agent_bridge.store.contacts import Contacts
    from agent_bridge.store.ledger import Entry, Ledger
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

    def __init__(self, ledger: Ledger, turns: Turns, contacts: Contacts, homeserver: Homeserver, rules: Rules) -> None:
        self._ledger = ledger
        self._turns = turns
        self._contacts = contacts
        self._homeserver = homeserver
        self._rules = rules

    async def tell(self, text: str) -> str:
        """Return as Markdown what became of the message that *text* names: a link, an event id or a turn's name."""
        room_id, reference = reference_of(text)
        entry = await self._ledger.find(reference)
        if entry is not None:
            return await self._of_turn(entry, reference)
        reason = await self._ledger.ignored(reference)
        if reason is not None:
            return words.WHY_IGNORED.format(reason=reason)
        if room_id is not None:
            return await self._of_unknown(room_id, reference)
        return words.WHY_UNKNOWN.format(reference=escape(reference))

    async def _of_turn(self, entry: Entry, reference: str) -> str:
        if entry.collected_into is not None:
            head = words.WHY_COLLECTED.format(event=entry.collected_into)
        else:
            head = words.WHY_STATE[entry.state].format(error=words.cause(entry.error or "see below"))
        agent = f" for **{escape(entry.agent)}**" if entry.agent else ""
        lines = [
            f"`{entry.key}`: a {entry.kind}{agent} from {escape(entry.sender)}. {head}",
            "",
            f"- {_time(entry.said_at)}: said, by the homeserver's clock",
            f"- {_time(entry.created_at)}: received and committed as a turn ({entry.kind})",
        ]
        if entry.started_at is not None:
            waited = (entry.started_at - entry.created_at).total_seconds()
            lines.append(f"- {_time(entry.started_at)}: first taken up, after {waited:.1f} s in its lane")
        lines += [f"- {_time(step.at)}: {escape(step.what)}" for step in entry.steps]
        sends = [send for send in await self._turns.sends(entry.id) if send.event_id is not None]
        lines += [f"- {_time(send.created_at)}: part {send.part} is `{send.event_id}`" for send in sends]
        lines.append(
            f"- taken up {words.count(entry.attempts, 'time')}, {words.count(entry.failures, 'failure')}, "
            f"{words.count(entry.interruptions, 'interruption')}"
        )
        if any(send.event_id == reference for send in sends):
            lines.append(f"- the question is `{entry.event_id}`")
        return "\n".join(lines)

    async def _of_unknown(self, room_id: str, event_id: str) -> str:
        """Tell what the rules say of an event that the bridge has not noted."""
        portals = await self._contacts.portals_in([room_id])
        found = await self._homeserver.event(room_id, event_id)
        event = None if found is None else parse_event(found)
        if event is None:
            return words.WHY_UNSEEN
        if self._rules.names.is_ours(event.sender):
            return words.WHY_OURS
        match self._rules.decide(event, Place(portals.get(room_id))):
            case NewTurn():
                return words.WHY_NOT_HANDED_OVER
            case Ignored(reason=reason):
                return words.WHY_IGNORED.format(reason=reason)
            case _ if room_id not in portals:
                return words.WHY_NO_PORTAL.format(prefix=self._rules.prefix)
            case _:
                return words.WHY_NOT_A_MESSAGE.format(type=escape(event.type))


def open_state(entry: Entry) -> str:
    """Return in a few words where an open turn stands."""
    match entry.state:
        case TurnState.RUNNING:
            return "is answered"
        case TurnState.ANSWERED:
            return "is shown"
        case _:
            return "waits for its next try" if entry.attempts else "waits"


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
