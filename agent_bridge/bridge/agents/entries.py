"""The agents that stand for the entries of the configuration: a pure comparison of entries and known agents."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.desired import desired_agent, fresh_identity
from agent_bridge.core.agents import AgentSettings, AgentState
from agent_bridge.store.agents import DesiredAgent, EntryChanges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agent_bridge.config.agents import AgentConfig
    from agent_bridge.config.conversations import TemplatesConfig
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.store.agents import AgentRoom


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the configuration."""

    config: AgentConfig
    upstream: UpstreamConfig
    #: The address of its picture, as :attr:`~agent_bridge.core.agents.Agent.image` has it; empty without one.
    image: str = ""

    @property
    def settings(self) -> AgentSettings:
        """The part of the entry that the agent keeps."""
        config = self.config
        return AgentSettings(
            config.system_prompt, config.temperature, config.greeting, self.image, config.description or ""
        )


def changes(
    entries: Sequence[Entry],
    known: Sequence[AgentRoom],
    lists: Callable[[str, str], bool | None],
    templates: TemplatesConfig,
    namespace: Namespace,
) -> EntryChanges:
    """Return the changes after which the agents with *entries*, and no others, stand for them.

    *lists* tells whether an upstream lists an id. An agent whose upstream has not told its list yet keeps its entry.
    """
    rooms = {each.agent.id: each for each in known}
    chosen = assign(entries, [each.agent for each in known])
    kept = {agent.id for agent in chosen.values()}
    released = [
        (agent.id, is_listed)
        for agent in (each.agent for each in known)
        if agent.entry is not None and agent.id not in kept
        if (is_listed := lists(agent.upstream, agent.entry)) is not None
    ]
    added: list[DesiredAgent] = []
    changed: list[tuple[int, DesiredAgent]] = []
    identities = _ids_by_upstream(each.agent for each in known)
    ghosts = {each.agent.ghost for each in known}
    for entry in entries:
        agent = chosen.get(entry.config.id)
        if agent is not None:
            wanted = _desired(entry, agent, agent.agent_id, agent.ghost, templates)
            if wanted != _present(rooms[agent.id]):
                changed.append((agent.id, wanted))
            continue
        upstream = entry.upstream.name
        agent_id = fresh_identity(entry.config.id, identities[upstream])
        identities[upstream].add(agent_id)
        ghost = namespace.localpart(agent_id, ghosts, salt=upstream)
        ghosts.add(ghost)
        added.append(_desired(entry, None, agent_id, ghost, templates))
    return EntryChanges(tuple(added), tuple(changed), tuple(released))


def assign(entries: Sequence[Entry], known: Sequence[Agent]) -> dict[str, Agent]:
    """Return the known agents that stand for *entries*, by the ids of the entries.

    An entry keeps its agent. Otherwise it takes over the agent of its upstream that has its id: by its identity, else
    by the id in the upstream's list. An entry that moved to another upstream keeps its agent if no other one has the id
    there.
    """
    agents = _KnownAgents(known)
    chosen: dict[str, Agent] = {}
    taken: set[int] = set()
    for rule in (agents.stay, agents.have_identity, agents.moved, agents.are_listed):
        for entry in entries:
            if entry.config.id in chosen:
                continue
            agent = next((each for each in rule(entry) if each.id not in taken), None)
            if agent is not None:
                chosen[entry.config.id] = agent
                taken.add(agent.id)
    return chosen


class _KnownAgents:
    """Finds the agents that a rule of :func:`assign` gives an entry. The time does not grow with their number."""

    def __init__(self, known: Sequence[Agent]) -> None:
        self._ids = _ids_by_upstream(known)
        self._by_entry: dict[tuple[str, str], list[Agent]] = defaultdict(list)
        self._by_identity: dict[tuple[str, str], list[Agent]] = defaultdict(list)
        self._by_old_entry: dict[str, list[Agent]] = defaultdict(list)
        self._by_model: dict[tuple[str, str], list[Agent]] = defaultdict(list)
        for agent in known:
            self._by_identity[agent.upstream, agent.agent_id].append(agent)
            if agent.entry is not None:
                self._by_entry[agent.upstream, agent.entry].append(agent)
                self._by_old_entry[agent.entry].append(agent)
            elif not agent.state.is_at_rest:
                self._by_model[agent.upstream, agent.model].append(agent)

    def stay(self, entry: Entry) -> Iterable[Agent]:
        return self._by_entry.get((entry.upstream.name, entry.config.id), ())

    def have_identity(self, entry: Entry) -> Iterable[Agent]:
        return self._by_identity.get((entry.upstream.name, entry.config.id), ())

    def moved(self, entry: Entry) -> Iterable[Agent]:
        there = self._ids[entry.upstream.name]
        return (agent for agent in self._by_old_entry.get(entry.config.id, ()) if agent.agent_id not in there)

    def are_listed(self, entry: Entry) -> Iterable[Agent]:
        return self._by_model.get((entry.upstream.name, entry.config.id), ())


def _ids_by_upstream(agents: Iterable[Agent]) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = defaultdict(set)
    for agent in agents:
        ids[agent.upstream].add(agent.agent_id)
    return ids


def _desired(entry: Entry, agent: Agent | None, agent_id: str, ghost: str, templates: TemplatesConfig) -> DesiredAgent:
    """Return the desired state of *agent*, None for a new one, by its *entry*."""
    settings = entry.settings
    image, description = settings.image, settings.description
    if agent is not None:
        # Those of the upstream's list, unless an earlier version of the entry gave them.
        image = image or (agent.image if agent.image != agent.settings.image else "")
        description = description or (agent.description if agent.description != agent.settings.description else "")
    return desired_agent(
        templates,
        upstream=entry.upstream.name,
        agent_id=agent_id,
        model=entry.config.model or entry.config.id,
        name=entry.config.label,
        ghost=ghost,
        state=AgentState.ACTIVE if agent is None or agent.retired_by is None else agent.state,
        image=image,
        description=description,
        kind=entry.upstream.kind,
        entry=entry.config.id,
        settings=settings,
    )


def _present(agent_room: AgentRoom) -> DesiredAgent:
    """Return the desired state of an agent as the tables have it."""
    agent, home = agent_room.agent, agent_room.home
    return DesiredAgent(
        upstream=agent.upstream,
        agent_id=agent.agent_id,
        model=agent.model,
        name=agent.name,
        ghost=agent.ghost,
        displayname=agent.displayname,
        room_name=home.name,
        room_topic=home.topic,
        state=agent.state,
        image=agent.image,
        description=agent.description,
        kind=agent.kind,
        entry=agent.entry,
        settings=agent.settings,
    )
