"""Commands about messages: stop an answer, list open and failed turns, retry and drop turns, explain one."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.turn_changes import FAILED, OPEN, change_turns
from agent_bridge.commands.effects import once
from agent_bridge.commands.entries import turn_entry
from agent_bridge.commands.lookup import MessageReference
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group, WrongRoom
from agent_bridge.core.results.traces import NoTrace, Trace
from agent_bridge.core.results.turns import (
    Dropped,
    FailedTurns,
    OpenTurns,
    QueuePlace,
    Retried,
    RetriedAll,
    RoomQueue,
    StopRequested,
    TurnChange,
    TurnNotFound,
)
from agent_bridge.core.turns import TurnState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agent_bridge.bridge.queue.turn_changes import Change
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.turn_admin import TurnSummary

_ROWS, _OWN_ROWS = 50, 10
#: The reference to every turn that failed, and the turns that one command retries.
_ALL, _AT_ONCE = "all", 200


@command("stop", group=Group.ROOM, permission=Permission.JOIN)
async def stop(ctx: CommandContext) -> StopRequested:
    """Report how many answers the command stops. Only reads: intake wrote the request, so it never waits in a lane."""
    return StopRequested(await ctx.services.turn_admin.stopped_by(ctx.event_id))


@command("queue", group=Group.MESSAGES, permission=Permission.READ)
async def queue(ctx: CommandContext) -> OpenTurns | RoomQueue | WrongRoom:
    """List the open turns; for people who are no admins, their own in this room. Only reads."""
    if not ctx.can(Permission.OPERATE):
        return await _room_queue(ctx) if ctx.in_agent_room else WrongRoom("queue")
    found = [turn_entry(each) for each in await ctx.services.turn_admin.open(_ROWS + 1)]
    return OpenTurns(tuple(found[:_ROWS]), has_more=len(found) > _ROWS)


@command("failed", group=Group.MESSAGES, permission=Permission.OPERATE)
async def failed(ctx: CommandContext) -> FailedTurns:
    """List the turns that failed last. Only reads."""
    found = [turn_entry(each) for each in await ctx.services.turn_admin.failed(_ROWS + 1)]
    return FailedTurns(tuple(found[:_ROWS]), has_more=len(found) > _ROWS)


@command("retry", group=Group.MESSAGES, permission=Permission.OPERATE, example="0123456789abcdef")
async def retry(ctx: CommandContext, turn: MessageReference) -> Retried | RetriedAll | TurnNotFound:
    """Queue closed turns again; *turn* ``all``: those that failed last, up to 200.

    A turn is queued once for each event that gives the command.
    """
    if turn.name.casefold() == _ALL:
        failed = await ctx.services.turn_admin.failed(_AT_ONCE + 1)
        changes = await _change_all(ctx, failed, ctx.services.turn_admin.retry)
        return RetriedAll(sum(change.is_changed for change in changes[:_AT_ONCE]), has_more=len(changes) > _AT_ONCE)
    changes = await _change(ctx, turn, ctx.services.turn_admin.retry, FAILED)
    return Retried(changes) if changes else TurnNotFound(turn.name)


@command("drop", group=Group.MESSAGES, permission=Permission.OPERATE, example="0123456789abcdef")
async def drop(ctx: CommandContext, turn: MessageReference) -> Dropped | TurnNotFound:
    """Drop open turns. A turn is dropped once for each event that gives the command."""
    changes = await _change(ctx, turn, ctx.services.turn_admin.drop, OPEN)
    return Dropped(changes) if changes else TurnNotFound(turn.name)


@command("why", group=Group.MESSAGES, permission=Permission.OPERATE, example="$AbCdEf0123456789")
async def why(ctx: CommandContext, message: MessageReference) -> Trace | NoTrace:
    """Trace a message. Only reads."""
    return await ctx.services.traces.find(message)


async def _room_queue(ctx: CommandContext) -> RoomQueue:
    """Return the number of messages that wait in the room, and the places of those of the caller."""
    found = await ctx.services.turn_admin.in_room(ctx.room_id, ctx.services.when_busy)
    own = [QueuePlace(each.state, each.attempts, each.age, each.place) for each in found if each.sender == ctx.sender]
    waiting = sum(each.state is TurnState.QUEUED for each in found)
    return RoomQueue(waiting, tuple(own[:_OWN_ROWS]), has_more=len(own) > _OWN_ROWS)


async def _change(
    ctx: CommandContext, reference: MessageReference, change: Change, states: Collection[TurnState]
) -> tuple[TurnChange, ...]:
    """Change the turns that *reference* names, all in one transaction, and wake their lanes.

    Of the turns of one event, those in *states* are changed; if there are none, all of them.
    """
    found = await _turns_of(ctx, reference)
    return await _change_all(ctx, [turn for turn in found if turn.state in states] or found, change)


async def _change_all(ctx: CommandContext, turns: Sequence[TurnSummary], change: Change) -> tuple[TurnChange, ...]:
    """Change *turns*, the first of them if they are many, in one transaction, and wake their lanes.

    A repeated command changes nothing and returns the changes of its first run.
    """
    if not turns:
        return ()

    async def act(connection: Connection) -> Effect:
        ids = [turn.id for turn in turns[:_AT_ONCE]]
        lanes = await change_turns(ctx.services.lanes, connection, ids, change, ctx.event_id)
        changed = zip_longest(turns, lanes)
        return {"turns": [[turn.key, turn.state, lane is not None, turn.is_redacted] for turn, lane in changed]}

    effect = await once(ctx, act)
    return tuple(
        TurnChange(key, TurnState(state), is_changed=is_changed, is_redacted=is_redacted)
        for key, state, is_changed, is_redacted in effect["turns"]
    )


async def _turns_of(ctx: CommandContext, reference: MessageReference) -> list[TurnSummary]:
    """Return the turns of a message; for a message that was collected into another, the turn that answers both."""
    admin = ctx.services.turn_admin
    found = await admin.find(reference.name)
    return await admin.summaries(list(dict.fromkeys(turn.head or turn.id for turn in found)))
