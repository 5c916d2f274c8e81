"""Comparison: what the homeserver never handed over is found in its own history of the room.

Synapse keeps what waits for the bridge in memory: events behind a slow transaction are gone when it restarts, and what
was said before the bot joined is never pushed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable, StoreError
from agent_bridge.matrix.events import parse_event
from agent_bridge.matrix.filters import said_by_others

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.core.rooms import HistoryCursor
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.history import Histories

_log = structlog.stdlib.get_logger(__name__)

#: Events of one request, and requests for one room at most.
_PAGE, _PAGES = 100, 100
#: Rooms that are compared at the same time, and seconds between two looks which are due.
_TOGETHER, _PAUSE = 4, 0.5
#: Failures in a row after which a room is passed over, so that its lane goes on.
_HOPELESS = 5
#: Seconds that a comparison may take: its room's lane waits for it.
_PATIENCE = 20.0
_RETRY = Backoff(first=0.5, cap=4)


class Backfill:
    """Compares rooms with what was handed over: those that are suspect at once, and every one now and then."""

    def __init__(
        self, homeserver: Homeserver, rooms: Histories, intake: Intake, *, interval: float, horizon: float
    ) -> None:
        self._homeserver = homeserver
        self._histories = rooms
        self._intake = intake
        self._interval = interval
        self._horizon = horizon
        #: How often each room failed in a row, and when it may be tried again, by a monotonic clock.
        self._failures: dict[str, int] = {}
        self._later: dict[str, float] = {}
        #: How often in a row the homeserver was away, and until when it is left alone.
        self._away = 0
        self._away_until = 0.0

    async def run(self) -> None:
        """Compare what is due, a few rooms at a time, until cancelled."""
        running: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                running = {room_id: task for room_id, task in running.items() if not task.done()}
                due = await self._due(running)
                running |= {room.room_id: group.create_task(self._attempt(room)) for room in due}
                if running:
                    await asyncio.wait(running.values(), timeout=_PAUSE, return_when=asyncio.FIRST_COMPLETED)
                if not due:
                    await asyncio.sleep(_PAUSE)

    async def _due(self, running: Collection[str]) -> list[HistoryCursor]:
        """Return the rooms to begin with now: those that are not *running*, nor wait for their own next try."""
        now, free = time.monotonic(), _TOGETHER - len(running)
        if now < self._away_until or free <= 0:
            return []
        passed = {*running, *(room_id for room_id, at in self._later.items() if at > now)}
        try:
            rooms = await self._histories.due(self._interval, free + len(passed))
        except StoreError as error:
            _log.debug("cannot look which rooms to compare", error=str(error))
            return []
        return [room for room in rooms if room.room_id not in passed][:free]

    async def backfill(self, room: HistoryCursor) -> None:
        """Take what was missed in *room*, in order.

        Raises:
            HomeserverError, StoreError: nothing was taken; the room stays as suspect as it was.
        """
        events, complete = await self._since(room)
        if not complete:
            # What a room had before is not known any more: take nothing that may have been answered and forgotten.
            oldest = (time.time() - self._horizon) * 1000
            events = [event for event in events if event.timestamp > oldest]
        await self._intake.take_backfilled(room, events, events[-1].event_id if events else room.last_seen)

    async def _attempt(self, room: HistoryCursor) -> None:
        """Compare *room*; where that fails, see to it that others go on, and in the end this one too."""
        try:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self.backfill(room)
            except HomeserverRefused as error:
                _log.warning("a room cannot be compared", room=room.room_id, error=str(error))
                await self._histories.pass_over(room)
            except (HomeserverUnavailable, TimeoutError) as error:
                await self._failed(room, str(error) or f"no answer within {_PATIENCE:g} s")
                return
        except StoreError as error:
            _log.debug("a room is not compared yet", room=room.room_id, error=str(error))
            self._later[room.room_id] = time.monotonic() + _RETRY.first
            return
        self._away = 0
        self._failures.pop(room.room_id, None)
        self._later.pop(room.room_id, None)

    async def _failed(self, room: HistoryCursor, error: str) -> None:
        # Away for all, or unable to tell of this room only?
        if not await self._answers():
            self._away += 1
            self._away_until = time.monotonic() + _RETRY.delay(self._away)
            return
        failures = self._failures[room.room_id] = self._failures.get(room.room_id, 0) + 1
        if failures < _HOPELESS:
            self._later[room.room_id] = time.monotonic() + _RETRY.delay(failures)
            return
        _log.error("a room is passed over: its history cannot be read", room=room.room_id, error=error)
        await self._histories.pass_over(room)
        del self._failures[room.room_id]

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._homeserver.answers()
        except TimeoutError:
            return False

    async def _since(self, room: HistoryCursor) -> tuple[list[RoomEvent], bool]:
        """Return the events of people since the last seen one, oldest first; tell whether that one was reached."""
        namespace = self._homeserver.namespace
        reader = None if room.reader is None else namespace.user_id(room.reader)
        only = said_by_others(namespace, *map(namespace.user_id, room.ghosts))
        found: list[RoomEvent] = []
        start: str | None = None
        for _ in range(_PAGES):
            page, start = await self._homeserver.messages(
                room.room_id, limit=_PAGE, start=start, as_user=reader, only=only
            )
            for event in map(parse_event, page):
                if event is not None and event.event_id == room.last_seen:
                    return found[::-1], True
                if event is not None:
                    found.append(event)
            if start is None:
                return found[::-1], room.last_seen is None
        _log.error("a room has more news than can be looked at", room=room.room_id, events=len(found))
        return found[::-1], False
