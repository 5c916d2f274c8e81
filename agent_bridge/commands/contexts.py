"""Commands about the conversation with an agent: begin a new one, describe it, change its instructions and model.

Intake puts them into the lane of the agent, so each stands between the messages before and after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import InstructionText, Words
from agent_bridge.commands.conversation import new_session, talk_of
from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.commands.room_power import moderates
from agent_bridge.core.agents import AgentState
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import Group, NotPermitted
from agent_bridge.core.results.contexts import (
    ContextBegun,
    ContextRefusal,
    ContextRefused,
    ContextReport,
    Instructions,
    ModelChoice,
)

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection

#: The word that takes a setting back.
_OFF = "off"


@command("reset", group=Group.CONVERSATION, permission=Permission.SETTINGS, where=Where.AGENT_ROOM, exact=True)
async def reset(ctx: CommandContext) -> ContextBegun | ContextRefused:
    """Let the agent go on without the messages before, which stay loadable. A conversation without messages goes on."""
    talk = talk_of(ctx)
    if isinstance(talk, ContextRefused):
        return talk
    if not talk.upstream.traits.has_sessions:
        return talk.refused(ContextRefusal.ONE_MEMORY)

    async def act(connection: Connection) -> Effect:
        contexts = ctx.services.contexts
        await contexts.present(connection, ctx.lane, ctx.session)
        # A server may know more than the bridge.
        if not talk.upstream.traits.stateful and await contexts.is_empty(connection, ctx.lane):
            return {}
        return {"context": await contexts.begin(connection, ctx.lane, new_session(ctx))}

    await once(ctx, act)
    return ContextBegun(talk.agent.name)


@command("context", group=Group.CONVERSATION, permission=Permission.READ, where=Where.AGENT_ROOM)
async def context(ctx: CommandContext) -> ContextReport | ContextRefused:
    """Report on the content of the next request to the agent. Only reads."""
    talk = talk_of(ctx)
    if isinstance(talk, ContextRefused):
        return talk
    return await ctx.services.reports.of(
        talk.agent,
        talk.upstream,
        ctx.lane,
        room_id=ctx.room_id,
        thread=ctx.thread,
        sender=ctx.sender,
        instructions=ctx.instructions,
        model=ctx.chosen_model,
    )


@command(
    "instructions",
    group=Group.CONVERSATION,
    permission=Permission.READ,
    where=Where.AGENT_ROOM,
    example="Answer in Norwegian",
)
async def instructions(
    ctx: CommandContext, text: InstructionText | None = None
) -> Instructions | ContextRefused | NotPermitted:
    """Give the agent instructions for the room and its threads, or show them. Moderators change them."""
    talk = talk_of(ctx)
    if isinstance(talk, ContextRefused):
        return talk
    if text is None:
        return Instructions(talk.agent.name, ctx.instructions or "")
    if not await moderates(ctx):
        return NotPermitted("instructions", lowest_role(Permission.SETTINGS))
    new = "" if text.strip().casefold() == _OFF else text.strip()

    async def act(connection: Connection) -> Effect:
        await ctx.services.contexts.instruct(connection, ctx.room_id, talk.agent.id, new, ctx.event_id, ctx.sender)
        # The text stays out of the effect: its sender may redact it.
        return {"instructed": bool(new)}

    effect = await once(ctx, act)
    return Instructions(talk.agent.name, "…" if effect["instructed"] else "", is_new=True)


@command("model", group=Group.CONVERSATION, permission=Permission.READ, where=Where.AGENT_ROOM, example="gpt-5-mini")
async def model(ctx: CommandContext, model: Words | None = None) -> ModelChoice | ContextRefused | NotPermitted:
    """List the models of the agent's server, or have another one asked in the room. Moderators change it.

    The models are those of the agents of the server, so any of them can be asked.
    """
    talk = talk_of(ctx)
    if isinstance(talk, ContextRefused):
        return talk
    if talk.agent.kind != "openai":
        return talk.refused(ContextRefusal.NO_MODELS)
    own = talk.agent.model
    found = [each.agent for each in await ctx.services.agents.all() if each.agent.upstream == talk.agent.upstream]
    models = sorted({each.model for each in found if each.state is AgentState.ACTIVE} | {own}, key=str.casefold)
    if model is None:
        return ModelChoice(talk.agent.name, ctx.chosen_model or own, own, tuple(models))
    if not await moderates(ctx):
        return NotPermitted("model", lowest_role(Permission.SETTINGS))
    by_name = {each.casefold(): each for each in models} | {_OFF: own}
    wanted = by_name.get(model.strip().casefold())
    if wanted is None:
        return talk.unknown(model, by_name.values(), is_model=True)

    async def act(connection: Connection) -> Effect:
        chosen = None if wanted == own else wanted
        await ctx.services.contexts.choose_model(connection, ctx.room_id, talk.agent.id, chosen)
        return {"model": wanted}

    return ModelChoice(talk.agent.name, (await once(ctx, act))["model"], own)
