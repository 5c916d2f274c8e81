"""Runs schedules. A duty of the leader.

A due time becomes a turn as the request of a trigger does: the handler of such turns tells the room who had it
scheduled, and has the agent asked. The turn is written in the transaction that gives the schedule its next due time, so
of any number of processes one runs a due time, once.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.collaboration.recurrence import decoded, missed_until, next_due
from agent_bridge.bridge.queue.periodic import LOOK, every
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.core.names import one_line
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.payloads import TriggerPayload
from agent_bridge.core.schedules import LATE, ScheduleTrouble, run_event
from agent_bridge.core.times.zones import zone_named
from agent_bridge.core.turns import Addressee, NewTurn, TurnKind
from agent_bridge.render.schedules import local_time
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.schedules import Schedule
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.notifications import Notifications
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.schedules import ScheduleStore

_log = structlog.stdlib.get_logger(__name__)

#: Schedules of one look.
_AT_ONCE = 20
#: Seconds between two looks while there are no schedules: a signal tells of the first one.
_IDLE = 3600.0
#: Seconds until the next try if a room is full, or the homeserver does not answer.
_AGAIN = 15.0


class ScheduleRunner:
    """Runs what is due. *max_queued*: messages that may wait in one room."""

    def __init__(
        self,
        database: Database,
        store: ScheduleStore,
        rooms: Rooms,
        intake_store: IntakeStore,
        notifications: Notifications,
        lanes: Lanes,
        homeserver: Homeserver,
        roles: Roles,
        signals: Signals,
        *,
        max_queued: int,
    ) -> None:
        self._database = database
        self._store = store
        self._rooms = rooms
        self._intake_store = intake_store
        self._notifications = notifications
        self._lanes = lanes
        self._homeserver = homeserver
        self._roles = roles
        self._signals = signals
        self._max_queued = max_queued
        #: When a schedule that could not run may be tried again, by a monotonic clock.
        self._later: dict[int, float] = {}

    async def run(self) -> None:
        """Run what is due, until cancelled."""
        with self._signals.subscription(Topic.SCHEDULES) as wake:
            await every(_IDLE, self.run_due, name="schedules", wake=wake)

    async def run_due(self) -> float | None:
        """Run what is due; return the seconds until something may be due again, None: there are no schedules.

        Raises:
            StoreError: the next call goes on.
        """
        while True:
            now = time.monotonic()
            self._later = {schedule: at for schedule, at in self._later.items() if at > now}
            found = await self._store.due(_AT_ONCE, self._later)
            due = [schedule for schedule, seconds in found if seconds <= 0]
            for schedule in due:
                await self._attempt(schedule)
            if not due:
                pauses = [seconds for _, seconds in found] + [at - now for at in self._later.values()]
                # The clock may be set, so the time that is left is not trusted for long.
                return min([*pauses, LOOK]) if pauses else None

    async def _attempt(self, schedule: int) -> None:
        found = await self._store.find(schedule)
        if found is None:
            return
        try:
            is_possible, trouble = await self._verdict(found)
        except BridgeError as error:
            _log.warning("a schedule does not run yet", schedule=schedule, error=str(error))
            is_possible, trouble = False, None
        if not (is_possible and await self._decide(found, trouble)):
            self._later[schedule] = time.monotonic() + _AGAIN

    async def _verdict(self, schedule: Schedule) -> tuple[bool, ScheduleTrouble | None]:
        """Return whether *schedule* can be decided now, and why its run does not happen.

        Raises:
            HomeserverError, StoreError: it is not known.
        """
        owner, room_id = schedule.owner, schedule.room_id
        if not self._roles.may_ask(owner, room_id):
            is_muted = self._roles.is_muted(owner, room_id)
            return True, ScheduleTrouble.MUTED if is_muted else ScheduleTrouble.NO_ROLE
        if not schedule.is_present:
            return True, ScheduleTrouble.AGENT_AWAY
        ghost = self._homeserver.namespace.user_id(schedule.ghost)
        try:
            membership = await self._homeserver.membership(room_id, owner, ghost)
        except HomeserverRefused:
            # The ghost is not in the room: its next comparison finds that.
            return True, ScheduleTrouble.AGENT_AWAY
        if membership != "join":
            return True, ScheduleTrouble.NOT_IN_ROOM
        room = (await self._rooms.contexts([room_id])).get(room_id)
        return room is not None and room.waiting < self._max_queued, None

    async def _decide(self, seen: Schedule, trouble: ScheduleTrouble | None) -> bool:
        """Write the turn of the due time of *seen*, or that it has none because of *trouble*; tell whether it is done.

        Another process, or a person, may have been faster: then nothing is written.
        """
        async with self._database.transaction() as connection:
            # In the order of intake: first the room, then rows.
            await self._intake_store.lock(connection, [seen.room_id])
            schedule = await self._store.lock(connection, seen.id)
            if (
                schedule is None
                or schedule.paused
                or (schedule.due_at, schedule.room_id) != (seen.due_at, seen.room_id)
                or schedule.due_at > schedule.now
            ):
                return schedule is None or schedule.paused or schedule.due_at > schedule.now
            try:
                when, zone = decoded(schedule.rule), zone_named(schedule.zone)
            except (ValueError, OSError, KeyError) as error:
                _log.error("a schedule cannot be read, and is paused", schedule=schedule.id, error=str(error))
                await self._store.break_off(connection, schedule.id, ScheduleTrouble.BROKEN)
                return True
            is_late = (schedule.now - schedule.due_at) > timedelta(seconds=LATE)
            if trouble is None:
                missed = missed_until(when, zone, schedule.due_at, schedule.now) if is_late else 0
                await self._write(connection, schedule, missed)
            if is_late or (trouble is not None and trouble != schedule.problem):
                await self._notify(connection, schedule)
            following = next_due(when, zone, schedule.now, schedule.due_at)
            await self._store.advance(connection, schedule.id, following, trouble)
        _log.info("a schedule is due", schedule=schedule.id, owner=schedule.owner, trouble=trouble, late=is_late)
        return True

    async def _write(self, connection: Connection, schedule: Schedule, missed: int) -> None:
        turn = NewTurn(
            event_id=run_event(schedule),
            room_id=schedule.room_id,
            kind=TurnKind.TRIGGER,
            sender=schedule.owner,
            payload=TriggerPayload(
                schedule.agent,
                schedule.ghost,
                text=schedule.prompt,
                schedule=schedule.expression,
                late=self._told(schedule) if missed else None,
                missed=missed,
            ),
            addressees=(Addressee(None, self._homeserver.namespace.bot_username),),
        )
        lanes = await self._intake_store.accept(connection, [turn])
        await self._lanes.wake(connection, {lane for each in lanes.values() for lane in each})

    async def _notify(self, connection: Connection, schedule: Schedule) -> None:
        """Tell the owner of a due time that was missed."""
        news = Notification(
            schedule.owner,
            NotificationKind.SCHEDULE_MISSED,
            schedule.room_id,
            {"schedule": schedule.id, "prompt": one_line(schedule.prompt), "due": self._told(schedule)},
            key=run_event(schedule),
        )
        await self._notifications.add(connection, news)

    @staticmethod
    def _told(schedule: Schedule) -> str:
        due_at: datetime = schedule.due_at
        return local_time(due_at, schedule.zone)
