"""Identities of agents whose ids do not last: changes of a list that can be a rename are held, not guessed.

Letta lists an agent by its name, and by another id as soon as a second agent has that name. If several agents change
between two looks, the list does not tell which old name is which new one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.core.agents import AgentState

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.bridge.agents.diff import AgentDiff
    from agent_bridge.core.agents import Agent
    from agent_bridge.upstream.base import AgentInfo


@dataclass(frozen=True, slots=True)
class HeldChange:
    """The part of a difference that a rename may explain: nothing of it is applied."""

    #: Known agents that the list lacks. They keep their rooms and count as present.
    vanished: tuple[Agent, ...] = ()
    #: Listed ids that no known agent has. They get no rooms.
    appeared: tuple[AgentInfo, ...] = ()

    def __add__(self, other: HeldChange) -> HeldChange:
        """Return both changes as one."""
        return HeldChange(self.vanished + other.vanished, self.appeared + other.appeared)

    @property
    def vanished_names(self) -> tuple[str, ...]:
        """The names of :attr:`vanished`."""
        return tuple(agent.name for agent in self.vanished)

    @property
    def appeared_ids(self) -> tuple[str, ...]:
        """The ids of :attr:`appeared`."""
        return tuple(item.model for item in self.appeared)

    @property
    def appeared_names(self) -> tuple[str, ...]:
        """The names of :attr:`appeared`."""
        return tuple(item.name for item in self.appeared)


def hold_unclear(diff: AgentDiff, missed: Collection[int]) -> tuple[AgentDiff, HeldChange]:
    """Return *diff* without the changes that a rename may explain, and these changes.

    *missed* are the row ids of agents that the list before this one lacked too: a rename does not explain those.
    """
    vanished = tuple(agent for agent in diff.missing if agent.state is AgentState.ACTIVE and agent.id not in missed)
    appeared = tuple(item for item in (*diff.added, *(item for _, item in diff.back)) if not item.id_lasts)
    if not vanished or not appeared:
        return diff, HeldChange()
    kept = replace(
        diff,
        added=tuple(item for item in diff.added if item.id_lasts),
        back=tuple((agent, item) for agent, item in diff.back if item.id_lasts),
        missing=tuple(agent for agent in diff.missing if agent.state is not AgentState.ACTIVE or agent.id in missed),
    )
    return kept, HeldChange(vanished, appeared)
