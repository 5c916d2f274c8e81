"""The switch of an upstream to another kind: its agents keep their rooms under the ids of the new list.

Each kind has its own ids. Letta's OpenAI API lists an agent by its name, and the App Server by an id that lasts. So the
agents that are known by another kind are found by their names, once: from then on they have ids of the present kind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.agents.identity import HeldChange

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agent_bridge.bridge.agents.diff import AgentDiff
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.upstream.base import AgentInfo

_log = structlog.stdlib.get_logger(__name__)


class Unclear(StrEnum):
    """Reasons why the list does not tell which of its agents is a known one."""

    #: The list has no agent of this name that no other known agent is.
    NOT_LISTED = "not_listed"
    #: The list has several agents of this name.
    SEVERAL_LISTED = "several_listed"
    #: Several known agents have this name.
    SEVERAL_KNOWN = "several_known"


@dataclass(frozen=True, slots=True)
class Switch:
    """The agents that are known by another kind, compared with the list of the present kind."""

    #: Known agents, and the same agents in the list.
    found: tuple[tuple[Agent, AgentInfo], ...] = ()
    #: Known agents that the list does not tell. They keep their rooms until an operator decides.
    unclear: tuple[tuple[Agent, Unclear], ...] = ()

    def models(self, *, confirmed: bool) -> dict[int, str]:
        """Return the new model ids by row id; after an operator's word, those that are unclear keep theirs."""
        models = {agent.id: item.model for agent, item in self.found}
        return models | ({agent.id: agent.model for agent, _ in self.unclear} if confirmed else {})


async def find_known(
    agents: Agents, upstream: UpstreamConfig, listed: Sequence[AgentInfo], *, confirmed: bool
) -> tuple[dict[int, AgentRoom], set[int]]:
    """Return the agents of *upstream* that are known by lists, by row id, and the row ids of those that *listed* lacks.

    Agents that are known by another kind, and are found in the list, get their new ids in the tables. If an operator
    *confirmed* the list, no agent is unclear.

    Raises:
        StoreError: no agent has a new id.
    """
    rooms = await _by_lists(agents, upstream)
    switch = compare_kinds([agent_room.agent for agent_room in rooms], listed, upstream.kind)
    if models := switch.models(confirmed=confirmed):
        changed = await agents.switch(upstream.name, upstream.kind, models)
        _log.warning(
            "agents are listed by another kind of upstream", upstream=upstream.name, kind=upstream.kind, agents=changed
        )
        rooms = await _by_lists(agents, upstream)
    unclear = set() if confirmed else {agent.id for agent, _ in switch.unclear}
    return {agent_room.agent.id: agent_room for agent_room in rooms}, unclear


async def _by_lists(agents: Agents, upstream: UpstreamConfig) -> list[AgentRoom]:
    """Return the agents of *upstream* without those of the configuration, whose model the configuration tells."""
    return [each for each in await agents.of_upstream(upstream.name) if each.agent.entry is None]


def compare_kinds(known: Sequence[Agent], listed: Sequence[AgentInfo], kind: str) -> Switch:
    """Find the agents *known* by another kind than *kind* in the list *listed* of that kind.

    An agent is found by its model id, or by its name if no other known agent and no other agent of the list has that
    name. An agent that is gone is found too, unless another known agent has its name, but it is never unclear.
    """
    # Of two agents that had the same model at different times, the one that is there comes first, then the latest.
    before = sorted(
        (agent for agent in known if agent.kind != kind),
        key=lambda agent: (agent.state.is_at_rest, -agent.id),
    )
    if not before:
        return Switch()
    free = {item.model: item for item in listed}
    for agent in known:
        if agent.kind == kind:
            free.pop(agent.model, None)
    found = [(agent, free.pop(agent.model)) for agent in before if agent.model in free]
    by_id = {agent.id for agent, _ in found}
    rest = [agent for agent in before if agent.id not in by_id]
    namesakes = _namesakes(rest)
    numbers, by_name = Counter(item.name for item in listed), {item.name: item for item in free.values()}
    unclear: list[tuple[Agent, Unclear]] = []
    for agent in rest:
        same, reason = namesakes[agent.name], None
        if len(same) > 1 and agent in same:
            reason = Unclear.SEVERAL_KNOWN
        elif numbers[agent.name] > 1:
            reason = Unclear.SEVERAL_LISTED
        elif agent.name not in by_name or agent not in same:
            reason = Unclear.NOT_LISTED
        if reason is None:
            found.append((agent, by_name[agent.name]))
        elif not agent.state.is_at_rest:
            unclear.append((agent, reason))
    return Switch(tuple(sorted(found, key=_row_id)), tuple(sorted(unclear, key=_row_id)))


def _row_id(pair: tuple[Agent, object]) -> int:
    return pair[0].id


def _namesakes(agents: Sequence[Agent]) -> Mapping[str, list[Agent]]:
    """Return the agents that may have each name: those that are there, else the latest of those that are gone."""
    names: defaultdict[str, list[Agent]] = defaultdict(list)
    for agent in agents:
        others = names[agent.name]
        if not others or not agent.state.is_at_rest:
            others.append(agent)
    return names


def hold_unknown(diff: AgentDiff, unclear: Collection[int]) -> tuple[AgentDiff, HeldChange]:
    """Return *diff* without the changes that concern the agents with the row ids *unclear*, and these changes.

    An agent that appears may be one of them under another name.
    """
    vanished = tuple(agent for agent in diff.missing if agent.id in unclear)
    if not vanished or not diff.added:
        return diff, HeldChange()
    missing = tuple(agent for agent in diff.missing if agent.id not in unclear)
    return replace(diff, added=(), missing=missing), HeldChange(vanished, diff.added)
