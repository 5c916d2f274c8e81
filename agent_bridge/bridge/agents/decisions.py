"""The decision about one list of an upstream: a pure function of the list and of the agents that are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.diff import diff_agents
from agent_bridge.bridge.agents.identity import HeldChange, hold_unclear
from agent_bridge.bridge.agents.switch import hold_unknown
from agent_bridge.core.agents import AgentState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agent_bridge.core.agents import Agent
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.upstream.base import AgentInfo

#: One agent may go at any time. Several at once that are this share of all wait for an operator's word.
_MANY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The changes that need no operator's word."""

    #: Seconds for which the lists must lack an agent.
    gone_after: float
    #: New agents at once.
    max_new_agents: int
    #: Whether many agents that go at once wait for an operator's word.
    holds_many: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PassDecision:
    """The changes of the tables that follow from a list."""

    #: Known agents that are listed, perhaps by another name, with their state from now on.
    present: tuple[tuple[Agent, AgentInfo, AgentState], ...]
    #: The same for agents that were gone.
    back: tuple[tuple[Agent, AgentInfo, AgentState], ...]
    #: New agents, with their first state.
    added: tuple[tuple[AgentInfo, AgentState], ...]
    #: Agents that are gone from now on.
    gone: tuple[Agent, ...]
    #: Agents that the list lacks, also those that are gone from now on, without those of :attr:`held`.
    missing: tuple[Agent, ...]
    #: Agents that the list lacks and that wait for an operator's word, because they are many.
    doubted: tuple[Agent, ...]
    #: The changes of names that wait for an operator's word.
    held: HeldChange

    @property
    def waiting(self) -> tuple[AgentInfo, ...]:
        """The new agents that get no room before an operator's word."""
        return tuple(item for item, state in self.added if state is AgentState.HELD)


def decide(
    known: Mapping[int, AgentRoom],
    listed: Sequence[AgentInfo],
    missed: Mapping[int, float],
    unclear: Collection[int],
    limits: Limits,
    *,
    confirmed: bool = False,
) -> PassDecision:
    """Return the changes that follow from the list *listed* for the agents *known*, by their row ids.

    *missed* are the seconds for which the lists before lacked agents, and *unclear* the agents of another kind of
    upstream of which the list does not tell which they are; both by row id. *confirmed* is an operator's word: every
    change counts, however many there are.
    """
    diff = diff_agents([agent_room.agent for agent_room in known.values()], listed, missed)
    diff, unknown = hold_unknown(diff, unclear)
    diff, held = (diff, HeldChange()) if confirmed else hold_unclear(diff, missed)
    # An operator may accept a list as it is before the bridge doubts it.
    due = [agent for agent in diff.missing if confirmed or missed.get(agent.id, 0.0) >= limits.gone_after]
    active = sum(agent_room.agent.state is AgentState.ACTIVE for agent_room in known.values())
    # Agents that went a little later went for the same reason.
    many = limits.holds_many and len(diff.missing) > 1 and len(diff.missing) >= _MANY * active
    # A list of another kind of upstream removes no agent.
    many = many or any(agent.id in unclear for agent in diff.missing)
    waits = bool(due) and many and not confirmed
    accepted = len(diff.added) if confirmed else limits.max_new_agents
    states = (AgentState.ACTIVE if count < accepted else AgentState.HELD for count, _ in enumerate(diff.added))

    def back_as(agent: Agent) -> AgentState:
        # One that never got a ghost was held when it went. The room of one that was retired may be deleted.
        is_known = confirmed or known[agent.id].home.room_id is not None or agent.displayname_applied is not None
        return AgentState.ACTIVE if is_known else AgentState.HELD

    def present_as(agent: Agent) -> AgentState:
        return AgentState.ACTIVE if confirmed and not agent.state.is_at_rest else agent.state

    return PassDecision(
        present=tuple((agent, item, present_as(agent)) for agent, item in diff.present),
        back=tuple((agent, item, back_as(agent)) for agent, item in diff.back),
        added=tuple(zip(diff.added, states, strict=True)),
        gone=() if waits else tuple(due),
        missing=diff.missing,
        doubted=diff.missing if waits else (),
        held=held + unknown,
    )
