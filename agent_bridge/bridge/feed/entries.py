"""The entry that an event of a room makes. Pure functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.feed import FeedType, NewEntry
from agent_bridge.core.polls import EXTENSIBLE_TEXT, POLL_START
from agent_bridge.matrix.said import without_fallback
from agent_bridge.render.content import LIVE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.matrix.events import RoomEvent

#: Bytes of the content of an entry; an event has 64 KiB.
_LONGEST = 80_000
_MESSAGES = ("m.room.message", "m.sticker")
_POLLS = (POLL_START, "m.poll.start")
#: Memberships as entries. A ban is a leave.
_MEMBERSHIPS = {
    "invite": FeedType.INVITE,
    "join": FeedType.JOIN,
    "leave": FeedType.LEAVE,
    "ban": FeedType.LEAVE,
}


def entry_of(event: RoomEvent) -> NewEntry | None:
    """Return the entry of *event*; None if programs are not told of it.

    An encrypted event has none: nobody here can read it. Single votes and the ends of polls have none: programs are
    told of the votes of the bridge.
    """
    found = _type_and_content(event)
    if found is None:
        return None
    type_, content = found
    target = event.redacts if type_ is FeedType.REDACTION else None
    if type_ in {FeedType.EDIT, FeedType.REACTION}:
        target = event.target
    return NewEntry(
        type=type_,
        room_id=event.room_id,
        event_id=event.event_id,
        sender=event.sender,
        user_id=event.state_key if event.type == "m.room.member" else None,
        target=target,
        thread=event.thread,
        content=_encoded(content),
        sent_at=event.timestamp,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a message, or of its edit, as a program reads them."""

    #: None: it has none.
    text: str | None
    reply_to: str | None
    #: Whether it is an answer that goes on to grow.
    is_live: bool


def said_in(content: Mapping[str, Any]) -> Said:
    """Return the words of a message or of an edit with *content*, without the quotation of a reply."""
    new, related = content.get("m.new_content"), content.get("m.relates_to")
    words = new if isinstance(new, dict) else content
    texts = (words.get("body"), words.get("m.text"), words.get(EXTENSIBLE_TEXT))
    text = next((each for each in texts if isinstance(each, str)), None)
    reply = related.get("m.in_reply_to") if isinstance(related, dict) else None
    is_thread = isinstance(related, dict) and related.get("is_falling_back") is True
    target = reply.get("event_id") if isinstance(reply, dict) and not is_thread else None
    return Said(
        text=None if text is None else without_fallback(text, content),
        reply_to=target if isinstance(target, str) else None,
        is_live=LIVE in words or LIVE in content,
    )


def _type_and_content(event: RoomEvent) -> tuple[FeedType, Mapping[str, Any]] | None:
    if event.redacted_by is not None:
        # Its redaction is an entry of its own, and it has no content any more.
        return None
    if event.type == "m.room.member":
        type_ = _MEMBERSHIPS.get(str(event.content.get("membership")))
        # A change of the profile of a member is none of the membership.
        return None if type_ is None or (type_ is FeedType.JOIN and event.was_joined) else (type_, event.content)
    type_ = None if event.state_key is not None else _type_of(event)
    return None if type_ is None else (type_, event.content)


def _type_of(event: RoomEvent) -> FeedType | None:
    """Return the type of the entry of an *event* that is not state."""
    if event.type == "m.room.redaction":
        return FeedType.REDACTION if event.redacts is not None else None
    if event.type == "m.reaction":
        return FeedType.REACTION if event.target is not None else None
    if event.type in _MESSAGES and event.relation == "m.replace":
        return FeedType.EDIT
    return FeedType.MESSAGE if event.type in _MESSAGES or event.type in _POLLS else None


def _encoded(content: Mapping[str, Any]) -> str:
    """Return *content* as JSON in ASCII, which PostgreSQL can store; an empty object for one beyond all limits."""
    try:
        text = json.dumps(content, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError):
        return "{}"
    return text if len(text) <= _LONGEST else "{}"
