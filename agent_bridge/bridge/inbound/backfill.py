"""Backfill: events that the homeserver never pushed are found in its own history of the room.

Synapse keeps events that wait for the bridge in memory: those behind a slow transaction are gone when it restarts, and
events from before the bot joined are never pushed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import LOOK, every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable, RegistrationRejected, StoreError
from agent_bridge.matrix.events import parse_event
from agent_bridge.matrix.filters import said_by_others
from agent_bridge.matrix.relayed import as_said, is_by_program, is_own
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.config.model import RetentionConfig
    from agent_bridge.core.live import Live
    from agent_bridge.core.rooms import HistoryCursor
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.history import Histories
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

_DAY = 86_400.0
#: Events of one request, and requests for one room at most.
_PAGE, _PAGES = 100, 100
#: Rooms that are backfilled at the same time; rooms that are found by one look, which reads all rooms, and seconds for
#: which they count as due.
_TOGETHER, _FOUND, _FRESH = 4, 100, 2.0
#: Failures in a row after which a room is passed over, so that its lanes go on.
_HOPELESS = 5
#: Seconds that the backfill of one room may take: the room's lanes wait for it.
_PATIENCE = 20.0
_RETRY = Backoff(first=0.5, cap=4)


class Backfill:
    """Compares rooms with the homeserver's history: those that need it at once, and every room periodically."""

    def __init__(
        self,
        homeserver: Homeserver,
        rooms: Histories,
        intake: Intake,
        signals: Signals,
        *,
        interval: float,
        retention: Live[RetentionConfig],
    ) -> None:
        self._homeserver = homeserver
        self._histories = rooms
        self._intake = intake
        self._signals = signals
        self._interval = interval
        self._retention = retention
        #: Rooms whose backfill runs, those that are next, and until when they count as due, by a monotonic clock.
        self._running: set[str] = set()
        self._next: deque[HistoryCursor] = deque()
        self._fresh_until = 0.0
        #: How often each room failed in a row, and when it may be tried again, by a monotonic clock.
        self._failures: dict[str, int] = {}
        self._later: dict[str, float] = {}
        #: How often in a row the homeserver was away, and until when no backfill begins.
        self._away = 0
        self._away_until = 0.0

    async def run(self) -> None:
        """Backfill the rooms that are due, a few at a time, until cancelled."""
        self._running.clear()
        self._next.clear()
        with self._signals.subscription(Topic.BACKFILL) as wake:
            async with asyncio.TaskGroup() as group:
                begin = partial(self._begin, group, wake)
                await every(min(LOOK, self._interval), begin, name="search for rooms to backfill", wake=wake)

    async def _begin(self, group: asyncio.TaskGroup, wake: asyncio.Event) -> float | None:
        """Begin the backfill of rooms that are due; return the seconds until a room may be tried again.

        Those that run go on with the rooms that are found now: a room that holds its lanes comes first.
        """
        now = time.monotonic()
        if now >= self._away_until:
            self._next = deque(await self._due(now))
            # From now on: a look may have taken longer.
            self._fresh_until = time.monotonic() + _FRESH
            for _ in range(_TOGETHER - len(self._running)):
                if (room := self._take_next()) is not None:
                    group.create_task(self._work(room)).add_done_callback(lambda _: wake.set())
        tries = [at for at in (self._away_until, *self._later.values()) if at > now]
        return min(tries) - now if tries else None

    async def _work(self, room: HistoryCursor | None) -> None:
        """Backfill *room*, and then the next ones, as long as they count as due."""
        while room is not None:
            try:
                await self._attempt(room)
            finally:
                self._running.discard(room.room_id)
            room = self._take_next()

    def _take_next(self) -> HistoryCursor | None:
        """Return the room to begin with now, which counts as running; None: another look has to find one."""
        now = time.monotonic()
        if not self._next or now >= self._fresh_until or now < self._away_until:
            return None
        room = self._next.popleft()
        self._running.add(room.room_id)
        return room

    async def _due(self, now: float) -> list[HistoryCursor]:
        """Return the rooms that are due, but for those that run, or wait for their own next try."""
        passed = {*self._running, *(room_id for room_id, at in self._later.items() if at > now)}
        rooms = await self._histories.due(self._interval, _FOUND + len(passed))
        # Some may have begun meanwhile.
        passed |= self._running
        return [room for room in rooms if room.room_id not in passed]

    async def backfill(self, room: HistoryCursor) -> None:
        """Take the missing events of *room*, in order.

        Raises:
            HomeserverError, StoreError: nothing was taken; the room needs the backfill still.
        """
        events, complete = await self._since(room)
        if not complete:
            # The last event that was seen is not there: take none that may have been answered and forgotten.
            oldest = (time.time() - self._retention.value.turns_days * _DAY) * 1000
            events = [event for event in events if event.timestamp > oldest]
        # Later backfills perhaps leave relayed events out, so none of them is the mark.
        theirs = [event.event_id for event in events if not is_own(event, self._homeserver.namespace)]
        seen = theirs[-1] if theirs else None
        await self._intake.take_backfilled(room, events, seen or room.last_seen)

    async def _attempt(self, room: HistoryCursor) -> None:
        """Backfill *room*. After a failure other rooms go on, and in the end this one does too."""
        try:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self.backfill(room)
            except HomeserverRefused as error:
                _log.warning("a room cannot be backfilled", room=room.room_id, error=str(error))
                await self._histories.pass_over(room)
            except (HomeserverUnavailable, TimeoutError) as error:
                await self._failed(room, error)
                return
        except StoreError as error:
            _log.debug("a room is not backfilled yet", room=room.room_id, error=str(error))
            self._later[room.room_id] = time.monotonic() + _RETRY.first
            return
        self._away = 0
        self._failures.pop(room.room_id, None)
        self._later.pop(room.room_id, None)

    async def _failed(self, room: HistoryCursor, error: Exception) -> None:
        # Away for all, or unable to tell of this room only?
        if isinstance(error, RegistrationRejected) or not await self._answers():
            self._away += 1
            self._away_until = time.monotonic() + _RETRY.delay(self._away)
            return
        failures = self._failures[room.room_id] = self._failures.get(room.room_id, 0) + 1
        if failures < _HOPELESS:
            self._later[room.room_id] = time.monotonic() + _RETRY.delay(failures)
            return
        _log.error(
            "a room is skipped: its history cannot be read", room=room.room_id, error=str(error) or "no answer in time"
        )
        await self._histories.pass_over(room)
        del self._failures[room.room_id]

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._homeserver.answers()
        except TimeoutError:
            return False

    async def _since(self, room: HistoryCursor) -> tuple[list[RoomEvent], bool]:
        """Return the events of others since the one seen last, oldest first; tell whether that one was found."""
        namespace = self._homeserver.namespace
        reader = None if room.reader is None else namespace.user_id(room.reader)
        only = said_by_others(namespace, *map(namespace.user_id, room.ghosts), relayed=room.has_programs)
        found: list[RoomEvent] = []
        start: str | None = None
        for _ in range(_PAGES):
            # As they were sent: those that could be opened must not overtake those that wait for their keys.
            page, start = await self._homeserver.messages(
                room.room_id, limit=_PAGE, start=start, as_user=reader, only=only, as_sent=True
            )
            for event in map(parse_event, page):
                if event is not None and event.event_id == room.last_seen:
                    return found[::-1], True
                if event is not None and (said := as_said(event, namespace)).is_relayed:
                    found.append(said)
                elif event is not None and (not is_own(event, namespace) or is_by_program(event, namespace)):
                    found.append(event)
            if start is None:
                return found[::-1], room.last_seen is None
        _log.error("a room has more new events than are read", room=room.room_id, events=len(found))
        return found[::-1], False
