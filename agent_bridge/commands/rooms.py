"""Commands about the room in which they are given: its settings."""

from __future__ import annotations

from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group, StreamingSet, WhenBusySet
from agent_bridge.core.rooms import Streaming, WhenBusy


@command("busy", group=Group.ROOM, permission=Permission.SETTINGS, where=Where.AGENT_ROOM, example="collect")
async def busy(ctx: CommandContext, mode: WhenBusy) -> WhenBusySet:
    """Set how messages are handled that arrive during an answer. Running twice sets the same value twice."""
    await ctx.services.rooms.set_when_busy(ctx.room_id, mode)
    return WhenBusySet(mode)


@command("stream", group=Group.ROOM, permission=Permission.SETTINGS, where=Where.AGENT_ROOM, example="off")
async def stream(ctx: CommandContext, mode: Streaming) -> StreamingSet:
    """Set how answers are shown. Running twice sets the same value twice."""
    await ctx.services.rooms.set_streaming(ctx.room_id, mode)
    return StreamingSet(mode)
