"""Agent events: agents, people and programs post them into rooms, and read them there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.agent_events import EVENT, PostedEvent, decoded, event_content, event_problem
from agent_bridge.core.ids import mark, short_hash
from agent_bridge.core.permissions import CAN, Permission
from agent_bridge.core.results.events import EventProblem, EventRefused
from agent_bridge.core.roles import Role
from agent_bridge.matrix.events import content_today
from agent_bridge.matrix.relayed import own_words
from agent_bridge.render.agent_events import event_message

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agent_bridge.core.actors import Actor
    from agent_bridge.core.agent_events import NewEvent
    from agent_bridge.core.roles import Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agent_events import AgentEventStore
    from agent_bridge.store.postgres.database import Connection

_MESSAGE = "m.room.message"
#: Events of a page, and pages that one call reads.
_PAGE, _PAGES = 100, 10


class AgentEvents:
    """Posts agent events through the table ``agent_event``, whose rows the leader shows, and reads them from rooms."""

    def __init__(self, homeserver: Homeserver, store: AgentEventStore, roles: Roles, texts: Texts) -> None:
        self._homeserver = homeserver
        self._store = store
        self._roles = roles
        self._texts = texts

    async def refusal(
        self,
        actor: Actor,
        room_id: str,
        *,
        needs_bot: bool = False,
        invited: bool = False,
        by_role: bool = False,
    ) -> EventRefused | None:
        """Return why *actor* may not post events in a room; None: the actor may.

        *needs_bot*: the bot writes, too. *invited*: an invitation of the actor is enough. *by_role*: the power of the
        actor does not count, unless somebody has set it below that of others.

        Raises:
            HomeserverUnavailable: it is not known.
        """
        role = Role.AGENT if actor.is_agent else self._roles.of(actor.user_id, room_id)
        if Permission.SEND not in CAN[role] or self._roles.is_muted(actor.user_id, room_id):
            return EventRefused(EventProblem.NOT_ALLOWED)
        sender = self._sender(actor)
        state = await self._homeserver.room_state(room_id, sender)
        present = {actor.user_id, *([self._homeserver.namespace.bot] if needs_bot else [])}
        if state is None or not present <= state.members("join", *(["invite"] if invited else [])):
            return EventRefused(EventProblem.NOT_THERE)
        needed = state.level(_MESSAGE)
        own = min(needed, state.default_level) if by_role else needed
        if state.power(actor.user_id) < own or state.power(sender) < needed:
            return EventRefused(EventProblem.NOT_ALLOWED)
        return None

    async def post(self, connection: Connection, new: NewEvent, name: str) -> EventRefused | None:
        """Have *new* posted, by an actor called *name*, within the caller's transaction; return why not, or None.

        The event appears within a moment, and once: a repeat with the same key changes nothing. The caller has asked
        :meth:`refusal` for the room.
        """
        refused = event_problem(new.kind, new.data)
        if refused is not None:
            return refused
        content = event_message(new, name, self._texts, mark=event_mark(new.key)) | {EVENT: event_content(new)}
        await self._store.add(connection, new.key, new.room_id, self._sender(new.actor), content)
        return None

    async def read(
        self,
        room_id: str,
        reader: str,
        *,
        limit: int = _PAGE,
        kinds: Collection[str] = (),
        before: str | None = None,
    ) -> tuple[list[PostedEvent], str | None]:
        """Return up to *limit* events of a room, newest first, as *reader* (a ghost or the bot) sees them.

        *kinds*: only those of these kinds. *before*: the start of this page; the second result is that of the next one,
        None if there is none. Events of other users than ghosts and the bot are none: anybody can send such content.

        Raises:
            HomeserverError: the room cannot be read.
        """
        found: list[PostedEvent] = []
        start = before
        for _ in range(_PAGES):
            events, start = await self._homeserver.messages(
                room_id, limit=min(limit - len(found), _PAGE), start=start, as_user=reader, only={"types": [_MESSAGE]}
            )
            parsed = (self._parsed(room_id, event) for event in events)
            found += [each for each in parsed if each is not None and (not kinds or each.kind in kinds)]
            if start is None or len(found) >= limit:
                break
        return found, start

    def _parsed(self, room_id: str, event: Mapping[str, Any]) -> PostedEvent | None:
        return parsed_event(room_id, event) if self._homeserver.namespace.is_ours(str(event.get("sender"))) else None

    def _sender(self, actor: Actor) -> str:
        """Return the user who sends the events of *actor*."""
        return actor.user_id if actor.is_agent else self._homeserver.namespace.bot


def event_mark(key: str) -> str:
    """Return the mark of the event *key*."""
    return mark(f"event.{short_hash(key, 16)}", 0)


def parsed_event(room_id: str, event: Mapping[str, Any]) -> PostedEvent | None:
    """Return the agent event that an event of a room is; None: it is none. The content may be anything."""
    content = content_today(event)
    said = content.get(EVENT) if isinstance(content, dict) else None
    if not isinstance(said, dict) or not isinstance(kind := said.get("kind"), str):
        return None
    data, numbers = said.get("data"), said.get("numbers")
    timestamp = event.get("origin_server_ts")
    return PostedEvent(
        event_id=str(event.get("event_id")),
        room_id=room_id,
        kind=kind,
        agent=_text(said.get("agent")),
        by=_text(said.get("by")),
        turn=_text(said.get("turn")),
        data=decoded(data if isinstance(data, dict) else {}, numbers if isinstance(numbers, list) else []),
        # The text of a person has the name before it.
        text=_text(own_words(content).get("body")) or "",
        timestamp=timestamp if isinstance(timestamp, int) else 0,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
