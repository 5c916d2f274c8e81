"""Entries of results, made from the store's records."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.core.results.commands import AgentEntry, RoomAddress
from agent_bridge.core.results.turns import TurnEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.turn_admin import TurnSummary


def agent_entry(agent_room: AgentRoom, domain: str) -> AgentEntry:
    """Return the entry of an agent; *domain* is the bridge's homeserver."""
    agent, room_id = agent_room.agent, agent_room.home.room_id
    return AgentEntry(
        name=agent.name,
        ghost=agent.ghost,
        upstream=agent.upstream,
        state=agent.state,
        room=None if room_id is None else RoomAddress(room_id, domain),
        problem=next((each for each in agent_room.home.problems if each.ends_talk), None),
    )


async def personal_entries(ctx: CommandContext, agents: Iterable[AgentRoom]) -> tuple[AgentEntry, ...]:
    """Return the entries of *agents* for the caller, who may have a room of its own with each of them."""
    domain = ctx.services.namespace.domain
    entries = {each.agent.id: agent_entry(each, domain) for each in agents}
    if not ctx.services.private_rooms:
        return tuple(entries.values())
    own = await ctx.services.direct_chats.rooms_of(ctx.sender)
    return tuple(
        entry if entry.room is not None else _private(entry, own.get(agent), domain) for agent, entry in entries.items()
    )


def _private(entry: AgentEntry, room_id: str | None, domain: str) -> AgentEntry:
    return replace(entry, room=None if room_id is None else RoomAddress(room_id, domain), is_private=True)


def turn_entry(summary: TurnSummary) -> TurnEntry:
    """Return the entry of a turn, with its age at this moment."""
    return TurnEntry(
        key=summary.key,
        sender=summary.sender,
        agent=summary.agent,
        state=summary.state,
        attempts=summary.attempts,
        age=(datetime.now(UTC) - summary.said_at).total_seconds(),
        error=summary.error,
    )
