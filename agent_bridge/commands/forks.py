"""The command ``fork``: another chat begins with the conversation up to a message.

Intake puts it into the lane of the agent, so the answers to the messages before it are complete.

The command has three steps, as those of :mod:`agent_bridge.commands.saves`: it decides which messages are meant, it has
the agent's server copy them if that keeps conversations, and it writes the chat with its copy of the transcript. The
room comes last: nobody can speak there before the conversation is complete.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import ArgumentError, ChatTitle
from agent_bridge.commands.chats import title_of, too_many
from agent_bridge.commands.conversation import Talk, marker_of, new_session, rename_copy, talk_of
from agent_bridge.commands.effects import once, then
from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.chats import NewChat
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.chats import ChatGone, ChatMade, ForkRefusal, ForkRefused, TooManyChats
from agent_bridge.core.results.commands import Argument, ArgumentProblem, Group, RoomAddress
from agent_bridge.core.results.contexts import ContextRefused
from agent_bridge.upstream.capabilities import AskedQuestion

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.contexts import ForkPoint
    from agent_bridge.store.postgres.database import Connection


@command("fork", group=Group.CONVERSATION, permission=Permission.JOIN, where=Where.AGENT_ROOM, example="What if")
async def fork(
    ctx: CommandContext, title: ChatTitle | None = None
) -> ChatMade | ChatGone | TooManyChats | ForkRefused | ContextRefused:
    """Make a chat that begins with the conversation up to the message to which the command replies.

    A question comes without its answer, an answer comes whole. The caller could read all of it, and alone enters the
    chat. Running twice makes one chat, as ``new`` does.
    """
    talk = talk_of(ctx)
    if isinstance(talk, ContextRefused):
        return talk
    if talk.agent.state is not AgentState.ACTIVE:
        raise ArgumentError(ArgumentProblem.AGENT_GONE, value=talk.agent.name)
    wanted = title_of(title or "", Argument("title", required=False))
    chosen = await once(ctx, partial(_choose, ctx, talk))
    ref = None if chosen.keys() & {"refused", "most", "chat"} else await _copy_on_server(ctx, talk, chosen)
    is_over = "refused" in chosen or "most" in chosen
    effect = chosen if is_over else await then(ctx, "chat", partial(_begin, ctx, talk, wanted, ref))
    if "refused" in effect:
        return ForkRefused(ForkRefusal(effect["refused"]), talk.agent.name)
    if "most" in effect:
        return TooManyChats(effect["most"])
    services = ctx.services
    found = await services.chats.find(effect["chat"])
    if found is None:
        return ChatGone(effect["number"])
    room_id = await services.chat_maker.make(found)
    await rename_copy(talk, effect["ref"], found.name or talk.agent.name)
    return ChatMade(
        number=effect["number"],
        title=effect["text"],
        agent=talk.agent.name,
        room=RoomAddress(room_id, services.namespace.domain),
        messages=effect["messages"],
    )


async def _choose(ctx: CommandContext, talk: Talk, connection: Connection) -> Effect:
    """Return the names of the conversation and of the question on the server, or why there is no chat."""
    if ctx.reply_to is None:
        return {"refused": ForkRefusal.NO_REPLY}
    point = await _point(ctx, talk, connection, ctx.reply_to)
    if point is None:
        return {"refused": ForkRefusal.UNKNOWN}
    return await too_many(ctx, connection) or {
        "session": point.session,
        "question": point.question,
        "attempts": point.attempts,
        "answered": point.is_answer,
    }


async def _begin(ctx: CommandContext, talk: Talk, title: str | None, ref: str | None, connection: Connection) -> Effect:
    """Write the chat, and the context with which its conversation begins.

    Raises:
        HomeserverUnavailable: the numbers of chats are not compared with the homeserver yet.
    """
    services = ctx.services
    point = await _point(ctx, talk, connection, ctx.reply_to or "")
    if point is None:
        # It was redacted in the meantime.
        return {"refused": ForkRefusal.UNKNOWN}
    await services.chat_maker.check_numbers(connection)
    if most := await too_many(ctx, connection):
        return most
    root = await _point(ctx, talk, connection, point.thread) if point.thread else None
    kind = None if ref is None else talk.agent.kind
    context, messages = await services.forks.begin(
        connection, point, root, new_session(ctx), upstream_ref=ref, upstream_kind=kind
    )
    wanted = NewChat(
        person=ctx.sender,
        agent=talk.agent.id,
        request_key=ctx.key,
        name=services.chat_maker.name_of(talk.agent, title),
        is_titled=title is not None,
        first_context=context,
    )
    chat, number = await services.chats.add(connection, wanted)
    return {"chat": chat, "number": number, "text": title, "messages": messages, "ref": ref}


async def _point(ctx: CommandContext, talk: Talk, connection: Connection, event_id: str) -> ForkPoint | None:
    return await ctx.services.forks.point(connection, ctx.room_id, talk.agent.id, event_id)


async def _copy_on_server(ctx: CommandContext, talk: Talk, chosen: Effect) -> str | None:
    """Copy the conversation on the agent's server, and have the new chat go on with the copy; return the copy.

    None: the server keeps no conversations, or copies no beginnings: its agent is told the messages with the first
    question.
    """
    conversations, branches = talk.upstream.can.conversations, talk.upstream.can.branches
    if conversations is None or branches is None:
        return None
    model = talk.agent.model
    current = await conversations.current(model, chosen["session"])
    if current is None:
        return None
    question = AskedQuestion(chosen["question"], chosen["attempts"])
    made = await branches(model, current, question, marker_of(ctx), answered=chosen["answered"])
    if made is None:
        return None
    await conversations.select(model, new_session(ctx), made.ref)
    return made.ref
