"""The command ``event``: people post an agent event into the room of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import EventData, EventKindWord
from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.actors import Actor
from agent_bridge.core.agent_events import NewEvent, event_problem
from agent_bridge.core.loose_json import NotReadable, load_object
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.events import EventAccepted, EventProblem, EventRefused, EventResult

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection

_EXAMPLE = "research_complete {subtask: 1, sources: 12, confidence: 0.87}"


@command("event", group=Group.ROOM, permission=Permission.JOIN, example=_EXAMPLE)
async def event(ctx: CommandContext, kind: EventKindWord, data: EventData | None = None) -> EventResult:
    """Post an event of *kind* with *data*, an object. Running twice posts one."""
    events, actor = ctx.services.agent_events, Actor(ctx.sender)
    try:
        value = load_object(data or "")
    except NotReadable as error:
        return EventRefused(EventProblem.NO_OBJECT, str(error.position))
    refused = event_problem(kind, value) or await events.refusal(actor, ctx.room_id)
    if refused is not None:
        return refused
    new = NewEvent(key=f"command.{ctx.key}", room_id=ctx.room_id, actor=actor, kind=kind, data=value, turn=ctx.key)

    async def act(connection: Connection) -> Effect:
        await events.post(connection, new, ctx.sender)
        return {"kind": kind}

    return EventAccepted((await once(ctx, act))["kind"])
