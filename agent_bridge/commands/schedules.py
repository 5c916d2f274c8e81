"""Commands about schedules, by which agents are asked at given times."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from agent_bridge.bridge.collaboration.recurrence import checked
from agent_bridge.bridge.collaboration.schedules import ScheduleRequest, Schedules
from agent_bridge.commands.argument_kinds import PageNumber, ScheduleNumber, ScheduleWords
from agent_bridge.commands.arguments import first_quoted
from agent_bridge.commands.effects import once
from agent_bridge.commands.lookup import visible_agents
from agent_bridge.commands.pages import number_of_pages
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.commands.waking import WakingPlace, agents_here, waking_place
from agent_bridge.commands.zones import zone_of
from agent_bridge.core.actors import Actor
from agent_bridge.core.names import folded
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import Argument, Group, NotPermitted
from agent_bridge.core.results.schedules import (
    ScheduleEntry,
    ScheduleList,
    ScheduleMade,
    SchedulePaused,
    ScheduleProblem,
    ScheduleRefused,
    ScheduleRemoved,
    ScheduleResumed,
    TimeNotUnderstood,
)
from agent_bridge.core.schedules import MOST_SCHEDULES
from agent_bridge.core.times.expressions import parse_time, parse_whole_time
from agent_bridge.core.times.kinds import TimeExpressionError
from agent_bridge.core.times.zones import zone_named

if TYPE_CHECKING:
    from datetime import tzinfo

    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.schedules import Schedule
    from agent_bridge.core.times.kinds import When
    from agent_bridge.store.postgres.database import Connection

#: Schedules of a page: as many as a person may have.
_PAGE = MOST_SCHEDULES
_FIRST = PageNumber(1)
#: Stands between time, agent and prompt.
_BETWEEN = " ,:;"
_QUOTES = "\"'“”„«» "
#: The argument of the command, for errors about the agent.
_PLANNED = Argument("planned", required=True)


@command("schedule", group=Group.ROOM, permission=Permission.JOIN, example='"every weekday 9:00" @Ada the news, please')
async def schedule(
    ctx: CommandContext, planned: ScheduleWords
) -> ScheduleMade | ScheduleRefused | TimeNotUnderstood | NotPermitted:
    """Have an agent asked at a time: one of this room, or, in a chat with the bot, an agent in its home.

    The caller may change the settings of the room. Running twice makes one schedule.
    """
    if not ctx.can(Permission.SETTINGS):
        return NotPermitted("schedule", lowest_role(Permission.SETTINGS))
    zone, now = await zone_of(ctx), await ctx.services.schedule_store.now()
    try:
        when, expression, rest = _time(planned, now, zone_named(zone))
    except TimeExpressionError as error:
        return TimeNotUnderstood(error.problem, error.word)
    named, prompt = await _named(ctx, rest)
    place = await waking_place(ctx, named, _PLANNED)
    if not isinstance(place, WakingPlace):
        return ScheduleRefused(ScheduleProblem(place[0].value), place[1])
    request = ScheduleRequest(
        agent=place.agent,
        room_id=place.room_id,
        when=when,
        expression=expression,
        zone=zone,
        prompt=_without_quotes(prompt),
    )

    async def act(connection: Connection) -> Effect:
        return _stored(await _service(ctx).make(connection, Actor(ctx.sender), request, now))

    effect = await once(ctx, act)
    return refusal_in(effect) or ScheduleMade(
        effect["number"], effect["agent"], effect["expression"], _moment(effect["due_at"]), effect["zone"]
    )


@command("schedules", group=Group.ROOM, permission=Permission.JOIN, example="all")
async def schedules(
    ctx: CommandContext, page: PageNumber = _FIRST, *, all_: bool = False
) -> ScheduleList | NotPermitted:
    """List the schedules of the caller, or of all people, whose prompts are their own. Only reads."""
    if all_ and not ctx.can(Permission.OPERATE):
        return NotPermitted("schedules", lowest_role(Permission.OPERATE))
    found = await ctx.services.schedule_store.owned(None if all_ else ctx.sender)
    pages = number_of_pages(page, len(found), _PAGE)
    shown = found[(page - 1) * _PAGE : page * _PAGE]
    return ScheduleList(tuple(_entry(each, ctx.sender) for each in shown), page, pages, is_of_all=all_)


@command("pause", group=Group.ROOM, permission=Permission.JOIN, example="3")
async def pause(ctx: CommandContext, schedule: ScheduleNumber) -> SchedulePaused | ScheduleRefused:
    """Have a schedule not run until it is resumed: an own one, or, for admins, any. Running twice has one effect."""

    async def act(connection: Connection) -> Effect:
        return _stored(await _service(ctx).pause(connection, Actor(ctx.sender), schedule, every=_is_admin(ctx)))

    effect = await once(ctx, act)
    return refusal_in(effect) or SchedulePaused(effect["number"])


@command("resume", group=Group.ROOM, permission=Permission.JOIN, example="3")
async def resume(ctx: CommandContext, schedule: ScheduleNumber) -> ScheduleResumed | ScheduleRefused:
    """Have a schedule go on: an own one, or, for admins, any. Running twice has one effect."""

    async def act(connection: Connection) -> Effect:
        return _stored(await _service(ctx).resume(connection, Actor(ctx.sender), schedule, every=_is_admin(ctx)))

    effect = await once(ctx, act)
    return refusal_in(effect) or ScheduleResumed(effect["number"], _moment(effect["due_at"]), effect["zone"])


@command("unschedule", group=Group.ROOM, permission=Permission.JOIN, example="3")
async def unschedule(ctx: CommandContext, schedule: ScheduleNumber) -> ScheduleRemoved | ScheduleRefused:
    """Delete a schedule: an own one, or, for admins, any. Running twice has one effect."""

    async def act(connection: Connection) -> Effect:
        return _stored(await _service(ctx).remove(connection, Actor(ctx.sender), schedule, every=_is_admin(ctx)))

    effect = await once(ctx, act)
    return refusal_in(effect) or ScheduleRemoved(effect["number"], effect["expression"])


def refusal_in(effect: Effect) -> ScheduleRefused | None:
    """Return the refusal that *effect* stores; None if it is none."""
    if "problem" not in effect:
        return None
    return ScheduleRefused(ScheduleProblem(effect["problem"]), effect["name"], effect["most"])


def _stored(result: ScheduleMade | ScheduleRefused | SchedulePaused | ScheduleResumed | ScheduleRemoved) -> Effect:
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in asdict(result).items()}


def _moment(stored: str) -> datetime:
    return datetime.fromisoformat(stored)


def _service(ctx: CommandContext) -> Schedules:
    return Schedules(ctx.services.schedule_store, ctx.services.roles)


def _is_admin(ctx: CommandContext) -> bool:
    return ctx.can(Permission.OPERATE)


def _time(planned: str, now: datetime, zone: tzinfo) -> tuple[When, str, str]:
    """Return the time that *planned* begins with, perhaps in quotes, its words, and the words behind it.

    Raises:
        TimeExpressionError: it begins with none.
    """
    quoted = first_quoted(planned)
    if quoted is not None:
        expression, rest = quoted
        return checked(parse_whole_time(expression, now, zone), zone, now), expression, rest.lstrip(_BETWEEN)
    found = parse_time(planned, now, zone)
    return checked(found.when, zone, now), found.text, found.rest.lstrip(_BETWEEN)


async def _named(ctx: CommandContext, rest: str) -> tuple[str, str]:
    """Return the agent that *rest* begins with, and the prompt behind it.

    In the room of a single agent it need not be named: then the name is empty.
    """
    there = await agents_here(ctx, visible := await visible_agents(ctx))
    known = [each.agent for each in (visible if there is None else there)]
    names = sorted({name for each in known for name in (each.name, each.displayname) if name}, key=len, reverse=True)
    is_alone = there is not None and len(there) == 1
    quoted = first_quoted(rest)
    if quoted is not None:
        name = quoted[0].removeprefix("@")
        return ("", rest) if is_alone and folded(name) not in map(folded, names) else (name, quoted[1])
    text = rest.removeprefix("@")
    for name in names:
        behind = text[len(name) :]
        if folded(text[: len(name)]) == folded(name) and not behind[:1].isalnum():
            return name, behind.lstrip(_BETWEEN).strip()
    if is_alone and not rest.startswith("@"):
        return "", rest
    word, _, prompt = rest.partition(next((each for each in rest if each.isspace()), " "))
    return word, prompt.strip()


def _without_quotes(prompt: str) -> str:
    """Return *prompt*, without the quotes around all of it."""
    quoted = first_quoted(prompt)
    if quoted is not None and not quoted[1]:
        return quoted[0]
    return prompt if prompt.strip(_QUOTES) else ""


def _entry(found: Schedule, reader: str) -> ScheduleEntry:
    return ScheduleEntry(
        number=found.id,
        agent=found.agent_name,
        room_id=found.room_id,
        expression=found.expression,
        prompt=found.prompt if found.owner == reader else "",
        owner=found.owner,
        due_at=found.due_at,
        zone=found.zone,
        paused=found.paused,
        problem=found.problem,
    )
