"""Posts agent events into their rooms. A duty of the leader."""

from __future__ import annotations

import asyncio
import time
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.collaboration.events import event_mark
from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.core.ids import short_hash
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agent_events import AgentEventStore, WaitingEvent
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: Rooms and events of a room that one look takes.
_ROOMS, _EVENTS = 4, 20
_RETRY = Backoff(first=1, cap=300)


class EventPoster:
    """Shows the rows of ``agent_event`` in their order, each once.

    Before the first attempt the newest event of the room is recorded; a later attempt looks for the marks behind it.
    """

    def __init__(self, homeserver: Homeserver, store: AgentEventStore, signals: Signals) -> None:
        self._homeserver = homeserver
        self._store = store
        self._signals = signals
        #: How often each room failed in a row, and when it may be tried again, by a monotonic clock.
        self._failures: dict[str, int] = {}
        self._later: dict[str, float] = {}

    async def run(self) -> None:
        """Post what is due, until cancelled."""
        with self._signals.subscription(Topic.EVENTS) as wake:
            await every(FALLBACK, self.post_due, name="agent events", wake=wake)

    async def post_due(self) -> float | None:
        """Post what is due; return the seconds until a room may be tried again, None: no room waits for that.

        Raises:
            StoreError: the next call goes on.
        """
        while True:
            now = time.monotonic()
            self._later = {room: at for room, at in self._later.items() if at > now}
            due = await self._store.due(_ROOMS, _EVENTS, self._later)
            rooms = [list(group) for _, group in groupby(due, attrgetter("room_id"))]
            await asyncio.gather(*(self._attempt(events) for events in rooms))
            if not due:
                return min(self._later.values()) - now if self._later else None

    async def _attempt(self, events: Sequence[WaitingEvent]) -> None:
        room_id = events[0].room_id
        try:
            await self._post(events)
        except BridgeError as error:
            failures = self._failures[room_id] = self._failures.get(room_id, 0) + 1
            self._later[room_id] = time.monotonic() + _RETRY.delay(failures)
            log = _log.warning if failures == 1 else _log.debug
            log("agent events are not posted yet", room=room_id, error=str(error))
        else:
            self._failures.pop(room_id, None)

    async def _post(self, events: Sequence[WaitingEvent]) -> None:
        """Post *events* of one room in their order. Those that the homeserver refuses are given up."""
        found = await self._posted_before([each for each in events if each.since is not None])
        new = [each for each in events if each.since is None]
        if new:
            await self._store.trying(new, await self._newest(new[0]))
        for each in events:
            try:
                event_id = found.get(event_mark(each.key)) or await self._send(each)
            except HomeserverRefused as error:
                _log.warning("an agent event cannot be posted", room=each.room_id, error=str(error))
                await self._store.closed(each, None, str(error))
            else:
                await self._store.closed(each, event_id)

    async def _send(self, event: WaitingEvent) -> str:
        txn_id = f"ab.event.{short_hash(event.key, 16)}"
        return await self._homeserver.send(event.room_id, dict(event.content), txn_id=txn_id, as_user=event.sender)

    async def _newest(self, event: WaitingEvent) -> str:
        """Return the newest event of the room; empty: its sender cannot read it."""
        try:
            events, _ = await self._homeserver.messages(event.room_id, limit=1, as_user=event.sender)
        except HomeserverRefused:
            return ""
        return str(events[0]["event_id"]) if events else ""

    async def _posted_before(self, events: Sequence[WaitingEvent]) -> dict[str, str]:
        """Return the ids of those of *events*, by their marks, that an earlier attempt has posted."""
        found: dict[str, str] = {}
        for sender in {each.sender for each in events}:
            own = [each for each in events if each.sender == sender]
            marks = {event_mark(each.key) for each in own}
            try:
                found |= await marked_events(self._homeserver, own[0].room_id, sender, marks, until=own[0].since or "")
            except HomeserverRefused as error:
                _log.info("a room is not searched for agent events", room=own[0].room_id, error=str(error))
        return found
