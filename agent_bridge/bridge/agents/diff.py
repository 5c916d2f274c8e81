"""The difference between an upstream's list and the agents that are known: a pure function without guesses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agent_bridge.core.agents import Agent
    from agent_bridge.upstream.base import AgentInfo


@dataclass(frozen=True, slots=True)
class AgentDiff:
    """The difference between an upstream's list and the agents that are known of it."""

    #: Listed and not known.
    added: tuple[AgentInfo, ...]
    #: Known and listed, perhaps by another name; also those that a person retired.
    present: tuple[tuple[Agent, AgentInfo], ...]
    #: Known as gone, or retired by nobody, and listed again.
    back: tuple[tuple[Agent, AgentInfo], ...]
    #: Known and not listed.
    missing: tuple[Agent, ...]


def diff_agents(known: Sequence[Agent], listed: Sequence[AgentInfo], missed: Collection[int] = ()) -> AgentDiff:
    """Compare *listed* with the agents *known* of the same upstream.

    *missed* are the row ids of agents that the list before this one lacked too. Where model ids are names, exactly one
    that vanished now and exactly one that appeared now are the same agent under a new name; with more than that there
    is no guessing.
    """
    # Of two agents that were called the same at different times, the one that is there comes first, then the latest.
    by_model = {agent.model: agent for agent in sorted(known, key=lambda agent: (not agent.state.is_at_rest, agent.id))}
    added: list[AgentInfo] = []
    present: list[tuple[Agent, AgentInfo]] = []
    back: list[tuple[Agent, AgentInfo]] = []
    for item in listed:
        agent = by_model.get(item.model)
        if agent is None:
            added.append(item)
        elif agent.state.is_at_rest and agent.retired_by is None:
            back.append((agent, item))
        else:
            present.append((agent, item))
    there = {agent.id for agent, _ in present}
    missing = [agent for agent in known if not agent.state.is_at_rest and agent.id not in there]
    vanished = [agent for agent in missing if agent.id not in missed]
    # A name that an agent had which is gone by now may be given to another.
    appeared = [*added, *(item for _, item in back)]
    if len(vanished) == 1 and len(appeared) == 1 and appeared[0].id_is_name and vanished[0].model == vanished[0].name:
        present.append((vanished[0], appeared[0]))
        missing.remove(vanished[0])
        added, back = [], []
    return AgentDiff(tuple(added), tuple(present), tuple(back), tuple(missing))
