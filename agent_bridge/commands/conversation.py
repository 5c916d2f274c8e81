"""The conversation that a command is about: the agent, its server, and the names of what the command makes there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.commands.lookup import nearest
from agent_bridge.core.errors import UpstreamError
from agent_bridge.core.results.contexts import ContextRefusal, ContextRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.core.agents import Agent
    from agent_bridge.upstream.base import Upstream


@dataclass(frozen=True, slots=True)
class Talk:
    """An agent and its server."""

    agent: Agent
    upstream: Upstream

    def refused(self, reason: ContextRefusal, **values: Any) -> ContextRefused:
        """Return the result of a command that changed nothing because of *reason*."""
        return ContextRefused(reason, self.agent.name, **values)

    def unknown(self, name: str, names: Iterable[str], *, is_model: bool = False) -> ContextRefused:
        """Return the result of a command whose *name* is none of *names*, which are those of models or of copies."""
        by_name = {each.casefold(): each for each in names}
        similar = nearest(name, by_name)
        if similar is None:
            return self.refused(ContextRefusal.UNKNOWN_MODEL if is_model else ContextRefusal.UNKNOWN, name=name)
        reason = ContextRefusal.SIMILAR_MODEL if is_model else ContextRefusal.SIMILAR
        return self.refused(reason, name=name, nearest=by_name[similar])


def talk_of(ctx: CommandContext) -> Talk | ContextRefused:
    """Return the conversation in whose lane the command is, or why there is none."""
    if ctx.agent is None:
        return ContextRefused(ContextRefusal.NO_AGENT)
    upstream = ctx.services.upstreams.get(ctx.agent.upstream)
    if upstream is None:
        return ContextRefused(ContextRefusal.NO_UPSTREAM, ctx.agent.name)
    return Talk(ctx.agent, upstream)


def new_session(ctx: CommandContext) -> str:
    """Return the name of a new conversation in the lane for its upstream: the same for each run of the command."""
    return f"{ctx.session.partition('~')[0]}~{ctx.key}"


def marker_of(ctx: CommandContext) -> str:
    """Return a word that the names of copies on a server have until they are stored: the same for each run."""
    return f"ab-{ctx.key}"


async def rename_copy(talk: Talk, ref: str | None, name: str) -> None:
    """Give a copy on the server its name, in place of the one that marked it. Nothing depends on the name any more."""
    if ref is not None and talk.upstream.can.conversations is not None:
        with suppress(UpstreamError):
            await talk.upstream.can.conversations.rename(ref, name)
