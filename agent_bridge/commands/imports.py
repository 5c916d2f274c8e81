"""The command that shows the earlier messages of an agent's server.

Intake puts it into the lane of the agent, so the conversation is the one that the message before it used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import MessageCount
from agent_bridge.commands.conversation import Talk, talk_of
from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.core.imports import IMPORT, ImportRequest
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.contexts import ContextRefusal, ContextRefused, ImportBegun

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection

#: Messages of an import without a number.
_COUNT = 100


@command("import", group=Group.CONVERSATION, permission=Permission.SETTINGS, where=Where.AGENT_ROOM, example="500")
async def import_(ctx: CommandContext, count: MessageCount | None = None) -> ImportBegun | ContextRefused:
    """Have the leader show the newest messages that another client exchanged with the agent.

    In the home of the agent they are those of its main conversation, elsewhere those of the conversation of the lane.
    The answer shows the progress and the result later. The effect is a row with the key of the turn, so running twice
    requests it once.
    """
    talk = talk_of(ctx)
    if isinstance(talk, ContextRefused):
        return talk
    if talk.upstream.can.history is None:
        return talk.refused(ContextRefusal.NO_HISTORY)
    conversation = None if await _is_home(ctx, talk) else await _current(ctx, talk)
    if conversation == "":
        return talk.refused(ContextRefusal.NOT_BEGUN)

    async def act(connection: Connection) -> Effect:
        request = ImportRequest(
            agent=talk.agent.id,
            room_id=ctx.room_id,
            thread=ctx.thread,
            conversation=conversation,
            count=_COUNT if count is None else count,
        )
        await ctx.services.operations.request(connection, IMPORT, ctx.key, request.params, by=ctx.sender, turn=ctx.turn)
        return {"requested": True}

    await once(ctx, act)
    return ImportBegun(talk.agent.name)


async def _is_home(ctx: CommandContext, talk: Talk) -> bool:
    """Tell whether the command was given in the agent's own room, outside of threads."""
    home = (await ctx.services.agents.by_agent(talk.agent.id)).home
    return not ctx.thread and home.room_id == ctx.room_id


async def _current(ctx: CommandContext, talk: Talk) -> str:
    """Return the upstream's id of the conversation of the lane, empty if there is none."""
    conversations = talk.upstream.can.conversations
    return "" if conversations is None else await conversations.current(talk.agent.model, ctx.session) or ""
