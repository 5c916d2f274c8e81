"""The endpoint by which programs subscribe to events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, stream_endpoint
from agent_bridge.api.model import ApiModel, Text
from agent_bridge.api.streams import HEARTBEAT, StreamEvent
from agent_bridge.bridge.collaboration.events import parsed_event
from agent_bridge.bridge.feed.entries import said_in
from agent_bridge.bridge.feed.subscription import CursorProblem, Filter, Subscription, cursor_at
from agent_bridge.core.feed import Cursor, FeedType, LiveType, parse_cursor
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import Capability

if TYPE_CHECKING:
    from agent_bridge.core.feed import FeedEntry, LiveEvent
    from agent_bridge.core.ids import Namespace

_TAG = "Events"
_LIVE = tuple(LiveType)
_TYPES = ", ".join([*FeedType, *_LIVE])


class Subscribed(ApiModel):
    """The query of a subscription."""

    rooms: Text = Field("", description="Only events of these rooms: ids, aliases or names of agents, with commas.")
    types: Text = Field("", description=f"Only these types, with commas: {_TYPES}.")
    since: Text = Field(
        "", description="The id of the last event that the program has. The header Last-Event-ID has priority."
    )


class Event(ApiModel):
    """An event. Fields that do not fit its type are missing."""

    type: str
    room_id: str | None = None
    event_id: str | None = None
    sender: str | None = Field(None, description="User id.")
    user_id: str | None = Field(
        None, description="The user who enters or leaves, whose presence it is, or for whom the notification is."
    )
    sent_at: datetime | None = None
    thread: str | None = Field(None, description="Root of its thread.")
    target: str | None = Field(
        None, description="The event that is edited, redacted or reacted to; the card of a task, the poll of a vote."
    )
    text: str | None = Field(None, description="The text of a message, or of its edit; the emoji of a reaction.")
    reply_to: str | None = Field(None, description="The message to which a message is a reply.")
    is_agent: bool | None = Field(None, description="Whether the sender is an agent, or the bridge.")
    live: bool | None = Field(None, description="True: the message or the edit is an answer that goes on to grow.")
    content: dict[str, Any] | None = Field(
        None, description="The content of the Matrix event; the task, the vote, the notification or the channel."
    )
    data: dict[str, Any] | None = Field(
        None, description="The data of an agent event, with its numbers as numbers; `content` has the other fields."
    )
    typing: list[str] | None = Field(None, description="The users who are typing.")
    presence: str | None = None


@stream_endpoint(
    "/v1/events",
    tag=_TAG,
    capability=Capability.SUBSCRIBE,
    permission=Permission.READ,
    response=Event,
    problems=(Problem.CURSOR_UNKNOWN, Problem.CURSOR_EXPIRED, Problem.ROOM_NOT_FOUND),
)
async def events(call: ApiCall, query: Subscribed, last_id: str) -> AsyncGenerator[StreamEvent | None, None]:
    """Subscribe to events, as server-sent events.

    The first event is ``ready``. The id of each event is a cursor: after a lost connection the stream goes on behind
    the header ``Last-Event-ID``, in any process of the bridge, without a gap and without a repetition. Without a cursor
    it begins with the next event. The bridge keeps events for 7 days; a cursor that is older, or of another database,
    is refused. Events of a room are those of the time in which the identity was there. Those of a channel are for the
    identities that are shown it, and a notification is for its person. ``typing`` and ``presence`` have no id, and
    those of the time without a connection are lost.
    """
    services = call.services
    wanted = await _filter(call, query)
    subscription = Subscription(
        services.feed.reader,
        services.feed.feed,
        call.token.user_id,
        wanted,
        services.access.for_feed(call.token),
    )
    async with services.connected.connected(call.token), services.feed.reader.subscribed():
        bounds = await services.feed.feed.bounds()
        given = last_id or query.since
        cursor = cursor_at(bounds) if not given else _cursor(given)
        if (problem := subscription.problem(cursor, bounds)) is not None:
            raise ProgramRefused(
                Problem.CURSOR_EXPIRED if problem is CursorProblem.EXPIRED else Problem.CURSOR_UNKNOWN,
                more={"newest": str(cursor_at(bounds))},
            )
        yield StreamEvent(str(cursor), "ready", Event(type="ready"))
        told = cursor.position
        merged = services.feed.merged(subscription, call.token, cursor.position, patience=HEARTBEAT)
        async for position, entries, live in merged:
            for each in entries:
                yield StreamEvent(
                    str(Cursor(bounds.epoch, each.position)), each.type, _event(each, services.feed.namespace)
                )
            if live is not None:
                yield StreamEvent(None, live.type, _live(live))
                continue
            told = entries[-1].position if entries else told
            # Also the program goes on behind the entries that are not for it.
            yield None if position == told else StreamEvent(str(Cursor(bounds.epoch, position)), "", None)
            told = position


def _cursor(text: str) -> Cursor:
    found = parse_cursor(text)
    if found is None:
        raise ProgramRefused(Problem.CURSOR_UNKNOWN)
    return found


async def _filter(call: ApiCall, query: Subscribed) -> Filter:
    types = [each.strip().lower() for each in query.types.split(",") if each.strip()]
    known = {str(each): each for each in FeedType}
    if unknown := [each for each in types if each not in known and each not in _LIVE]:
        text = f"types: there is no type {unknown[0]}"
        raise ProgramRefused(
            Problem.INVALID_REQUEST, text, more={"errors": [{"field": "types", "message": f"the types are {_TYPES}"}]}
        )
    rooms = [each.strip() for each in query.rooms.split(",") if each.strip()]
    reached = [await call.services.access.reach(call.token, each, Permission.READ) for each in rooms]
    return Filter(
        rooms=frozenset(each.room_id for each in reached) if rooms else None,
        types=frozenset(known[each] for each in types if each in known) if types else None,
        live=frozenset(LiveType(each) for each in types if each in _LIVE) if types else frozenset(LiveType),
    )


def _event(entry: FeedEntry, namespace: Namespace) -> Event:
    content: dict[str, Any] = json.loads(entry.content)
    said = said_in(content) if entry.type in {FeedType.MESSAGE, FeedType.EDIT} else None
    is_ours = bool(entry.sender) and namespace.is_ours(entry.sender)
    # Anybody can send such content.
    posted = parsed_event(entry.room_id or "", {"content": content}) if said is not None and is_ours else None
    return Event(
        type=entry.type,
        room_id=entry.room_id,
        event_id=entry.event_id,
        sender=entry.sender or None,
        is_agent=is_ours if entry.sender else None,
        user_id=entry.user_id,
        sent_at=datetime.fromtimestamp(entry.sent_at / 1000, UTC),
        thread=entry.thread or None,
        target=entry.target,
        reply_to=None if said is None else said.reply_to,
        text=_emoji(content) if entry.type is FeedType.REACTION else None if said is None else said.text,
        live=None if said is None else said.is_live or None,
        content=content,
        data=None if posted is None else dict(posted.data),
    )


def _emoji(content: Mapping[str, Any]) -> str | None:
    """Return the emoji of a reaction with *content*; None: it is none."""
    related = content.get("m.relates_to")
    key = related.get("key") if isinstance(related, dict) else None
    return key if isinstance(key, str) else None


def _live(event: LiveEvent) -> Event:
    if event.type is LiveType.TYPING:
        return Event(type=event.type, room_id=event.room_id, typing=list(event.typing))
    return Event(type=event.type, user_id=event.user_id, presence=event.presence, text=event.status or None)
