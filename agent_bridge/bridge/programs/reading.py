"""Programs read and search messages: as much as the identity of the token may see in its client."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.collaboration.events import parsed_event
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.programs import FoundMessages, MessagePage, SeenMessage
from agent_bridge.matrix.events import content_today, newest_edit, parse_event
from agent_bridge.matrix.relayed import raw_as_said
from agent_bridge.matrix.said import message_of, without_fallback
from agent_bridge.matrix.visibility import HISTORY_VISIBILITY, MEMBER, Sight
from agent_bridge.render.attachment import encrypted_file
from agent_bridge.render.content import LIVE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.bridge.programs.access import Access, ReachedRoom
    from agent_bridge.core.agent_events import PostedEvent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.programs import Token
    from agent_bridge.matrix.client import Homeserver

_TYPES = ["m.room.message", "m.sticker", HISTORY_VISIBILITY, MEMBER]
#: Events of a page of the homeserver, and pages that one request reads at most: edits are events, too.
_PAGE, _PAGES = 100, 10
#: Rooms of a search, and pages of each that it looks at.
_ROOMS, _SEARCHED = 20, 5
_SHARED = "shared"


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A place in the history of a room: the homeserver's, and what its reader may see before it."""

    start: str
    visibility: str
    is_member: bool

    @property
    def text(self) -> str:
        values = json.dumps([self.start, self.visibility, self.is_member])
        return urlsafe_b64encode(values.encode()).decode().rstrip("=")


class Reading:
    """Reads. Agents see what the homeserver shows their ghosts; people what they would see in their clients."""

    def __init__(self, access: Access, homeserver: Homeserver) -> None:
        self._access = access
        self._homeserver = homeserver
        self._namespace = homeserver.namespace

    async def messages(
        self, token: Token, room: str, *, limit: int, before: str = "", after: str = "", thread: str = ""
    ) -> MessagePage:
        """Return up to *limit* messages, oldest first: the newest ones, those before a cursor, or after an event.

        *thread*: only those of the thread with this root. One request looks at 1,000 events at most, so a page may have
        fewer messages than there are before it: its cursor goes on.

        Raises:
            ProgramRefused, HomeserverError, StoreError: nothing can be read.
        """
        reached = await self._access.reach(token, room, Permission.READ)
        return await self.page(token, reached, limit=limit, before=before, after=after, thread=thread, must_exist=True)

    async def page(
        self,
        token: Token,
        reached: ReachedRoom,
        *,
        limit: int,
        before: str = "",
        after: str = "",
        thread: str = "",
        must_exist: bool = False,
    ) -> MessagePage:
        """Return messages of a room that the token reaches, see :meth:`messages`.

        *must_exist*: it is an error that *after* is not among the events that are looked at; else all are behind it.
        """
        cursor = _cursor(before) if before else None
        sight = await self._sight(token, reached, cursor)
        start = None if cursor is None else cursor.start
        found: list[SeenMessage] = []
        is_met = False
        for _ in range(_PAGES):
            # A cursor stands between two pages of the homeserver: a page has no more messages than are wanted.
            size = _PAGE if after else min(_PAGE, limit - len(found))
            events, start = await self._homeserver.messages(
                reached.room_id, limit=size, start=start, as_user=reached.voice, only={"types": _TYPES}
            )
            # Also an event that is no message, or is redacted by now, ends the page: what was before it is known.
            newer = list(takewhile(lambda event: event["event_id"] != after, events))
            found += self._seen(newer, sight, reached.room_id, thread)
            is_met = len(newer) < len(events)
            if start is None or is_met or (len(found) >= limit and not after):
                break
        if after:
            if must_exist and not is_met:
                raise _not_met(after, is_all_read=start is None)
            page = tuple(found[::-1][:limit])
            return MessagePage(messages=page, before=None, after=page[-1].event_id if page else after)
        last = None if start is None else _Cursor(start, sight.visibility, sight.all_members).text
        return MessagePage(messages=tuple(found[::-1]), before=last, after=found[0].event_id if found else None)

    async def search(self, token: Token, words: str, rooms: Iterable[ReachedRoom], *, limit: int) -> FoundMessages:
        """Return up to *limit* of the newest messages that have all *words*, in any case.

        The newest 500 events of each of up to 20 rooms are looked at.
        """
        sought = words.casefold().split()
        reached = list(rooms)
        found: list[SeenMessage] = []
        is_complete = len(reached) <= _ROOMS
        for room in reached[:_ROOMS]:
            before = ""
            for _ in range(_SEARCHED):
                try:
                    page = await self.page(token, room, limit=_PAGE, before=before)
                except HomeserverRefused:
                    break
                found += [each for each in page.messages if all(word in each.text.casefold() for word in sought)]
                before = page.before or ""
                if not before:
                    break
            is_complete = is_complete and not before
        found.sort(key=lambda each: each.sent_at, reverse=True)
        return FoundMessages(messages=tuple(found[:limit]), rooms=len(reached[:_ROOMS]), is_complete=is_complete)

    async def agent_events(self, token: Token, reached: ReachedRoom, *, limit: int) -> list[PostedEvent]:
        """Return up to *limit* agent events of a room, newest first.

        Events of other users than ghosts and the bot are none: anybody can send such content.
        """
        sight, start = await self._sight(token, reached, None), None
        found: list[PostedEvent] = []
        for _ in range(_PAGES):
            events, start = await self._homeserver.messages(
                reached.room_id, limit=_PAGE, start=start, as_user=reached.voice, only={"types": _TYPES}
            )
            own = (each for each in events if sight.sees(each) and self._namespace.is_ours(str(each.get("sender"))))
            parsed = (parsed_event(reached.room_id, each) for each in own)
            found += [each for each in parsed if each is not None]
            if start is None or len(found) >= limit:
                break
        return found[:limit]

    async def _sight(self, token: Token, reached: ReachedRoom, cursor: _Cursor | None) -> Sight:
        if token.is_agent:
            # The homeserver shows the ghost nothing else.
            return Sight((), _SHARED)
        if cursor is not None:
            return Sight((token.user_id,), cursor.visibility, are_members=cursor.is_member)
        event = await self._homeserver.state(reached.room_id, HISTORY_VISIBILITY, as_user=reached.voice)
        content = {} if event is None else event.get("content", {})
        return Sight((token.user_id,), str(content.get("history_visibility", _SHARED)))

    def _seen(
        self, events: Iterable[Mapping[str, Any]], sight: Sight, room_id: str, thread: str
    ) -> Iterable[SeenMessage]:
        for event in events:
            if not sight.sees(event):
                continue
            seen = seen_message(event, room_id, self._namespace)
            if seen is not None and thread in {"", seen.thread, seen.event_id}:
                yield seen


def seen_message(event: Mapping[str, Any], room_id: str, namespace: Namespace) -> SeenMessage | None:
    """Return the JSON *event* as a program reads it; None if it is no message, an edit, or was redacted."""
    raw = raw_as_said(event, namespace)
    said = parse_event({**raw, "room_id": room_id})
    if said is None or said.state_key is not None or said.relation == "m.replace" or not said.content:
        return None
    edit = newest_edit(event)
    content = content_today(event) if edit is not None else said.content
    content = content if edit is None else _own_words(content, event, namespace)
    payload = message_of(said.type, content)
    if payload is None:
        return None
    text = without_fallback(payload.body, said.content) or ", ".join(each.name for each in payload.files)
    html = content.get("formatted_body")
    file = payload.files[0] if payload.files else None
    return SeenMessage(
        event_id=said.event_id,
        room_id=room_id,
        sender=said.sender,
        is_agent=namespace.is_ours(said.sender),
        sent_at=datetime.fromtimestamp(said.timestamp / 1000, UTC),
        text=text,
        kind=said.text("msgtype") or said.type,
        html=html if isinstance(html, str) and html else None,
        thread=said.thread or None,
        reply_to=said.replies_to,
        url=None if file is None else file.url,
        file=None if file is None or file.url is None else encrypted_file(file.url, file.key),
        edited=edit is not None,
        live=LIVE in content,
    )


def _own_words(content: Mapping[str, Any], event: Mapping[str, Any], namespace: Namespace) -> Mapping[str, Any]:
    """Return the *content* of an edit of *event* without the name before the text, if a person's program sent it."""
    found = raw_as_said({**event, "content": content}, namespace).get("content")
    return found if isinstance(found, Mapping) else content


def _not_met(after: str, *, is_all_read: bool) -> ProgramRefused:
    """Return the problem of messages behind *after*, which was not met: the oldest of them are perhaps unknown."""
    if is_all_read:
        return ProgramRefused(Problem.MESSAGE_NOT_FOUND, f"there is no message {after} in the room")
    text = f"{after} is not among the newest {_PAGE * _PAGES} events of the room: read backwards, by before"
    return ProgramRefused(Problem.MESSAGE_NOT_FOUND, text)


def _cursor(text: str) -> _Cursor:
    try:
        start, visibility, is_member = json.loads(urlsafe_b64decode((text + "=" * (-len(text) % 4)).encode()))
    except (ValueError, TypeError, RecursionError):
        raise ProgramRefused(Problem.INVALID_REQUEST, "before is no cursor of this room") from None
    if not (isinstance(start, str) and isinstance(visibility, str)):
        raise ProgramRefused(Problem.INVALID_REQUEST, "before is no cursor of this room")
    return _Cursor(start, visibility, is_member is True)
