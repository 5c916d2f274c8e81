"""Commands about the room in which they are given: its settings."""

from __future__ import annotations

from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.commands.room_power import moderates
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import Group, NotPermitted, StreamingSet, WhenBusySet
from agent_bridge.core.results.speech import SpeechMissing, SpeechSet
from agent_bridge.core.rooms import ParticipantState, SpeechMode, Streaming, WhenBusy


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


@command("voice", group=Group.ROOM, permission=Permission.READ, where=Where.AGENT_ROOM, example="on")
async def voice(ctx: CommandContext, mode: SpeechMode | None = None) -> SpeechSet | SpeechMissing | NotPermitted:
    """Show or set which answers are read aloud. Running twice sets the same value twice."""
    if mode is not None and not await moderates(ctx):
        return NotPermitted("voice", lowest_role(Permission.SETTINGS))
    wanted = mode or await ctx.services.rooms.speech(ctx.room_id)
    if wanted is not SpeechMode.OFF and not await _has_voice(ctx):
        return SpeechMissing()
    if mode is not None:
        await ctx.services.rooms.set_speech(ctx.room_id, mode)
    return SpeechSet(wanted)


async def _has_voice(ctx: CommandContext) -> bool:
    """Tell whether the server of an agent in the room reads answers aloud."""
    room = (await ctx.services.rooms.contexts([ctx.room_id])).get(ctx.room_id)
    for each in () if room is None else room.participants:
        if each.state is ParticipantState.JOINED:
            upstream = ctx.services.upstreams.get((await ctx.services.agents.by_agent(each.agent)).agent.upstream)
            if upstream is not None and upstream.can.speak is not None:
                return True
    return False
