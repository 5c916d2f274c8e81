"""Commands that change something act once: a second run finds the effect of the first one in the turn.

The bridge runs a command again if it was killed, or lost the homeserver, before the answer was committed. A second run
that only repeated the change could act otherwise: another person may have changed the same thing in between, and a
number may mean another entry of a newer list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.store.postgres.database import Connection

#: An object of JSON from which the command makes its result.
Effect: TypeAlias = dict[str, Any]


async def once(ctx: CommandContext, act: Callable[[Connection], Awaitable[Effect]]) -> Effect:
    """Return the effect of the command: that of *act*, or the one that an earlier run has stored.

    *act* makes its changes in the transaction of the given connection, which also stores the effect. Effects outside of
    the database need a key that derives from the turn, and come after it.

    Raises:
        TurnLost: another worker runs the command; *act* was not called.
    """
    async with ctx.services.database.transaction() as connection:
        known = await ctx.services.effects.lock(connection, ctx.turn, ctx.attempts)
        if known is not None:
            return known
        effect = await act(connection)
        await ctx.services.effects.put(connection, ctx.turn, effect)
        return effect


async def then(ctx: CommandContext, done: str, act: Callable[[Connection], Awaitable[Effect]]) -> Effect:
    """Return the effect of the command after its second step: that of *act*, or the one that an earlier run has stored.

    The first step is :func:`once`; requests to servers may lie between the two. The effect of the second step has the
    key *done*, and takes the place of the first one.

    Raises:
        TurnLost: another worker runs the command; *act* was not called.
    """
    async with ctx.services.database.transaction() as connection:
        known = await ctx.services.effects.lock(connection, ctx.turn, ctx.attempts)
        if known is not None and done in known:
            return known
        effect = await act(connection)
        await ctx.services.effects.put(connection, ctx.turn, effect)
        return effect
