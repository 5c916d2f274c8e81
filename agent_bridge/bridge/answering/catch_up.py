"""Catch-up: in a room of several, an agent gets the messages that were said to others since its last turn.

It gets each message once, with the question after it. The messages and the position in the room are stored in the
transaction that commits the answer, so a repeated attempt puts the same question together.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.answering.history import within_budget
from agent_bridge.bridge.answering.shared import Shared
from agent_bridge.bridge.answering.speakers import Speakers
from agent_bridge.core.errors import HomeserverError
from agent_bridge.core.ids import IMPORTED, SPOKEN
from agent_bridge.core.names import one_line
from agent_bridge.core.transcript import NO_CATCH_UP, CatchUp, HeardMessage
from agent_bridge.matrix.events import clean, content_today, newest_edit, parse_event
from agent_bridge.matrix.relayed import raw_as_said
from agent_bridge.matrix.said import SPOKEN_TYPES, message_of, without_fallback
from agent_bridge.matrix.visibility import HISTORY_VISIBILITY, JOINED, MEMBER, OPEN, visible
from agent_bridge.render.content import LIVE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.payloads import MessagePayload
    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.requests import Json
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.transcript import Transcripts

_log = structlog.stdlib.get_logger(__name__)

#: Messages that are given at most, events of one page, and pages that are read at most: edits are events, too.
_MESSAGES, _PAGE, _PAGES = 200, 200, 4
#: Characters of one message.
_LENGTH = 4_000
#: Seconds for the requests to the homeserver. The question waits for them.
_PATIENCE = 15.0
_READ = {"types": ["m.room.message", *SPOKEN_TYPES, HISTORY_VISIBILITY, MEMBER]}


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a question: the lane of an agent, and the position in its room."""

    lane: int
    room_id: str
    #: Root of the thread; empty: the room itself.
    thread: str
    #: User id of the agent's ghost.
    ghost: str
    #: User ids of the people who ask.
    people: Sequence[str]
    #: The event of the question; None: the end of the room.
    event_id: str | None


class RoomReader:
    """Reads rooms of several for agents: the names of speakers, and the messages that were said to others."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        roles: Roles,
        transcripts: Transcripts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._roles = roles
        self._transcripts = transcripts
        self._states: Shared[tuple[str, str], RoomState | None] = Shared()
        self._pages: Shared[tuple[str, ...], tuple[list[Json], str | None]] = Shared()

    async def speakers(self, place: Place) -> Speakers:
        """Return the names of the speakers; people have user ids if the homeserver does not tell their names.

        Raises:
            StoreError: the names of the agents cannot be read.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                state = await self._state(place)
        except (HomeserverError, TimeoutError) as error:
            _log.warning("an agent gets no names of speakers", room=place.room_id, error=str(error))
            state = None
        return await self._speakers(state, place.room_id)

    async def _speakers(self, state: RoomState | None, room_id: str) -> Speakers:
        agents = await self._transcripts.agents(room_id)
        return Speakers(state, {self._namespace.user_id(ghost): name for ghost, name in agents.items()})

    async def since_last_turn(self, place: Place, tokens: int) -> CatchUp:
        """Return the messages before the question, after the last turn of its lane: the newest ones, within *tokens*.

        Without the homeserver there are none, and the next question brings them.

        Raises:
            StoreError: the position of the lane cannot be read.
        """
        if tokens <= 0:
            return NO_CATCH_UP
        position = await self._transcripts.caught_up(place.lane)
        if position is not None and position == place.event_id:
            return NO_CATCH_UP
        try:
            async with asyncio.timeout(_PATIENCE):
                state = await self._state(place)
                events = None if state is None else await self._before(place, state, position)
        except (HomeserverError, TimeoutError) as error:
            _log.warning("an agent is asked without what was said before", room=place.room_id, error=str(error))
            return NO_CATCH_UP
        if events is None:
            return NO_CATCH_UP
        said = [dict(raw_as_said(event, self._namespace)) for event in events]
        found = await self._remembered([event for event in said if self._is_for(event, place)])
        finished = [event for event in found if not self._grows(event)]
        left_out = await self._transcripts.not_heard(place.lane, [event["event_id"] for event in finished])
        names = await self._speakers(state, place.room_id)
        heard = [_heard(event, names) for event in finished if event["event_id"] not in left_out]
        # The next question brings an answer that still grows.
        return CatchUp(_newest(heard, tokens), place.event_id if finished == found else None)

    async def _remembered(self, events: Sequence[Json]) -> list[Json]:
        """Return *events* without those whose sender was erased after them."""
        erased = await self._transcripts.erased({str(event["sender"]) for event in events})
        return [event for event in events if event.get("origin_server_ts", 0) >= erased.get(str(event["sender"]), 0.0)]

    async def _state(self, place: Place) -> RoomState | None:
        fetch = partial(self._homeserver.room_state, place.room_id, place.ghost)
        # The people who ask may have entered a moment ago.
        return await (fetch() if place.event_id is None else self._states.get((place.room_id, place.event_id), fetch))

    async def _before(self, place: Place, state: RoomState, position: str | None) -> list[Json] | None:
        """Return the events between *position* and the question that its people and the agent may see, newest first.

        None: the question is older than *position*, and is asked again.
        """
        visibility = _visibility(state)
        # Where all members see everything, the page of one agent serves the others.
        reader = "" if visibility in OPEN else place.ghost
        events, start = await self._newest_page(place, reader)
        if place.event_id is not None and place.event_id not in _ids(events):
            if position in _ids(events):
                return None
            # Much was said since. The visibility at that time is not known: the strictest one counts.
            visibility = JOINED
            after = await self._homeserver.position_after(place.room_id, place.event_id, place.ghost)
            events, start = await self._page(place, after)
        events, is_whole = await self._back_to(position, place, events, start)
        ids = _ids(events)
        first = ids.index(place.event_id) + 1 if place.event_id in ids else 0
        last = ids.index(position) if position in ids else len(ids)
        if last < first:
            return None
        found = _seen(events, ids[first:last], place, visibility)
        if position is not None and position not in ids and is_whole:
            found += await self._before_upgrade(place, state, position)
        return found

    async def _before_upgrade(self, place: Place, state: RoomState, position: str) -> list[Json]:
        """Return the events behind *position* in the room that the room of *place* replaces, newest first.

        There are none if *position* is not there, or if one of the people of *place* is not a member there.
        """
        if state.predecessor is None:
            return []
        old = await self._homeserver.room_state(state.predecessor, place.ghost)
        if old is None or old.replacement != place.room_id or not old.members("join").issuperset(place.people):
            return []
        there = replace(place, room_id=old.room_id)
        events, _ = await self._back_to(position, there, *await self._page(there, None))
        ids = _ids(events)
        return _seen(events, ids[: ids.index(position)], there, _visibility(old)) if position in ids else []

    async def _back_to(
        self, position: str | None, place: Place, events: list[Json], start: str | None
    ) -> tuple[list[Json], bool]:
        """Return *events* with the pages before them, back to *position*, and whether the room has no earlier ones."""
        for _ in range(_PAGES - 1):
            if start is None or position in _ids(events):
                break
            page, start = await self._page(place, start)
            events = [*events, *page]
        return events, start is None

    async def _newest_page(self, place: Place, reader: str) -> tuple[list[Json], str | None]:
        if place.event_id is None:
            return await self._page(place, None)
        return await self._pages.get((place.room_id, place.event_id, reader), partial(self._page, place, None))

    async def _page(self, place: Place, start: str | None) -> tuple[list[Json], str | None]:
        return await self._homeserver.messages(place.room_id, limit=_PAGE, start=start, as_user=place.ghost, only=_READ)

    def _is_for(self, event: Json, place: Place) -> bool:
        """Tell whether *event* is a message to others that the agent may get."""
        said = parse_event(event)
        if said is None or said.sender in {place.ghost, self._namespace.bot}:
            return False
        if not self._roles.reads(said.sender, place.room_id):
            return False
        is_quiet = said.content.get("msgtype") == "m.notice" or {IMPORTED, SPOKEN} & said.content.keys()
        is_own_word = self._namespace.is_ours(said.sender) and is_quiet
        return not is_own_word and said.relation != "m.replace" and said.thread == place.thread

    def _grows(self, event: Json) -> bool:
        return self._namespace.is_ours(str(event["sender"])) and LIVE in content_today(event)


def _ids(events: Sequence[Json]) -> list[str]:
    return [event["event_id"] for event in events]


def _visibility(state: RoomState) -> str:
    return str(state.content(HISTORY_VISIBILITY).get("history_visibility", "shared"))


def _seen(events: Sequence[Json], ids: Sequence[str], place: Place, visibility: str) -> list[Json]:
    """Return the *events* with one of *ids*, newest first, that the people and the agent of *place* may see."""
    seen, wanted = visible(events, (*place.people, place.ghost), visibility), {*ids}
    return [dict(event) for event in seen if event["event_id"] in wanted]


def _heard(event: Json, names: Speakers) -> HeardMessage | None:
    """Return *event* as an agent gets it; None without text, as after a redaction."""
    said = message_of(str(event["type"]), content_today(event))
    text = "" if said is None else spoken_text(said, event["content"])
    edit = (newest_edit(event) or {}).get("event_id")
    edited_in = clean(edit) if isinstance(edit, str) else None
    sender = str(event["sender"])
    return HeardMessage(names.said(sender, text), event["event_id"], sender, edited_in) if text else None


def _newest(heard: Sequence[HeardMessage | None], tokens: int) -> tuple[HeardMessage, ...]:
    """Return the newest of *heard*, which begin with the newest, within *tokens*, oldest first."""
    said = [each for each in heard if each is not None][:_MESSAGES][::-1]
    kept = within_budget([each.said for each in said], tokens)
    # The first one may be cut.
    whole = said[len(said) - len(kept) :]
    return tuple(replace(each, text=told.content) for each, told in zip(whole, kept, strict=True))


def spoken_text(said: MessagePayload, content: Mapping[str, Any]) -> str:
    """Return the words *said* in the event with *content*, or the names of its files, without the words of others."""
    text = without_fallback(said.body, content) or ", ".join(f"[{one_line(each.name)}]" for each in said.files)
    return text.strip()[:_LENGTH]
