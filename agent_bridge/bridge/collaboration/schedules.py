"""Schedules are made, paused, resumed and deleted: the functions that commands and programs call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.collaboration.recurrence import decoded, encoded, next_due, shortest_distance
from agent_bridge.core.names import one_line
from agent_bridge.core.results.schedules import (
    ScheduleMade,
    SchedulePaused,
    ScheduleProblem,
    ScheduleRefused,
    ScheduleRemoved,
    ScheduleResumed,
)
from agent_bridge.core.roles import Role
from agent_bridge.core.schedules import (
    LONGEST_PROMPT,
    MOST_IN_ROOM,
    MOST_SCHEDULES,
    SHORTEST,
    SHORTEST_OF_MEMBERS,
    ScheduleTrouble,
)
from agent_bridge.core.times.words import LONGEST
from agent_bridge.core.times.zones import zone_named
from agent_bridge.store.schedules import NewSchedule

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from agent_bridge.core.actors import Actor
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.schedules import Schedule
    from agent_bridge.core.times.kinds import When
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.schedules import ScheduleStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRequest:
    """A schedule that a person wants. The person may change the settings of the room."""

    agent: Agent
    room_id: str
    #: Valid, and with a due time behind now; and as the person typed it.
    when: When
    expression: str
    #: Name of the time zone.
    zone: str
    prompt: str


class Schedules:
    """Each method works in the transaction of the caller, which happens once, and raises :class:`StoreError`.

    A person changes the own schedules; *every* (admins): those of all people.
    """

    def __init__(self, store: ScheduleStore, roles: Roles) -> None:
        self._store = store
        self._roles = roles

    async def make(
        self, connection: Connection, actor: Actor, request: ScheduleRequest, now: datetime
    ) -> ScheduleMade | ScheduleRefused:
        """Make a schedule of *actor*, within the limits."""
        zone, owner = zone_named(request.zone), actor.user_id
        due_at = next_due(request.when, zone, now)
        if due_at is None:
            return ScheduleRefused(ScheduleProblem.OVER, request.expression)
        refusal = self._beyond_limits(owner, request, zone, now) or await self._too_many(connection, owner, request)
        if refusal is not None:
            return refusal
        new = NewSchedule(
            owner=owner,
            agent=request.agent.id,
            room_id=request.room_id,
            expression=one_line(request.expression)[:LONGEST],
            rule=encoded(request.when),
            zone=request.zone,
            prompt=request.prompt,
            due_at=due_at,
        )
        number = await self._store.add(connection, new)
        if number is None:
            return ScheduleRefused(ScheduleProblem.NOT_THERE, request.agent.name)
        return ScheduleMade(number, request.agent.name, new.expression, due_at, request.zone)

    def _beyond_limits(
        self, owner: str, request: ScheduleRequest, zone: tzinfo, now: datetime
    ) -> ScheduleRefused | None:
        if not one_line(request.prompt):
            return ScheduleRefused(ScheduleProblem.NO_PROMPT)
        if len(request.prompt) > LONGEST_PROMPT:
            return ScheduleRefused(ScheduleProblem.PROMPT_TOO_LONG, most=LONGEST_PROMPT)
        is_member = self._roles.of(owner, request.room_id) < Role.MODERATOR
        shortest = SHORTEST_OF_MEMBERS if is_member else SHORTEST
        distance = shortest_distance(request.when, zone, now)
        if distance is not None and distance < shortest:
            return ScheduleRefused(ScheduleProblem.TOO_OFTEN, most=shortest)
        return None

    async def _too_many(self, connection: Connection, owner: str, request: ScheduleRequest) -> ScheduleRefused | None:
        owned, in_room = await self._store.count(connection, owner, request.room_id)
        if owned >= MOST_SCHEDULES:
            return ScheduleRefused(ScheduleProblem.TOO_MANY, most=MOST_SCHEDULES)
        if in_room >= MOST_IN_ROOM:
            return ScheduleRefused(ScheduleProblem.TOO_MANY_IN_ROOM, most=MOST_IN_ROOM)
        return None

    async def pause(
        self, connection: Connection, actor: Actor, number: int, *, every: bool
    ) -> SchedulePaused | ScheduleRefused:
        """Have a schedule not run until it is resumed."""
        found = await self._locked(connection, actor, number, every=every)
        if found is None:
            return ScheduleRefused(ScheduleProblem.UNKNOWN, str(number))
        await self._store.pause(connection, number)
        return SchedulePaused(number)

    async def resume(
        self, connection: Connection, actor: Actor, number: int, *, every: bool
    ) -> ScheduleResumed | ScheduleRefused:
        """Have a schedule go on with its next due time; those that passed meanwhile are left out."""
        found = await self._locked(connection, actor, number, every=every)
        if found is None:
            return ScheduleRefused(ScheduleProblem.UNKNOWN, str(number))
        due_at = found.due_at
        if found.paused:
            following = following_due(found)
            if isinstance(following, ScheduleTrouble) or following is None:
                return ScheduleRefused(ScheduleProblem.OVER, found.expression)
            due_at = following
            await self._store.resume(connection, number, due_at)
        return ScheduleResumed(number, due_at, found.zone)

    async def remove(
        self, connection: Connection, actor: Actor, number: int, *, every: bool
    ) -> ScheduleRemoved | ScheduleRefused:
        """Delete a schedule. Runs that have begun go on."""
        found = await self._locked(connection, actor, number, every=every)
        if found is None:
            return ScheduleRefused(ScheduleProblem.UNKNOWN, str(number))
        await self._store.remove(connection, number)
        return ScheduleRemoved(number, found.expression)

    async def _locked(self, connection: Connection, actor: Actor, number: int, *, every: bool) -> Schedule | None:
        found = await self._store.lock(connection, number)
        return found if found is not None and (every or found.owner == actor.user_id) else None


def following_due(schedule: Schedule) -> datetime | ScheduleTrouble | None:
    """Return the first due time of *schedule* behind the present one and behind now; None if there is none.

    A due time that is yet to come stays, unless a clock that was ahead has put it too far away.
    """
    try:
        when, zone = decoded(schedule.rule), zone_named(schedule.zone)
    except (ValueError, OSError, KeyError):
        return ScheduleTrouble.BROKEN
    if schedule.due_at > schedule.now:
        return min(schedule.due_at, next_due(when, zone, schedule.now) or schedule.due_at)
    return next_due(when, zone, schedule.now, schedule.due_at)
