"""The agents that stand for the entries of the configuration: a pure comparison of entries and known agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.desired import desired_agent, fresh_identity
from agent_bridge.core.agents import AgentSettings, AgentState
from agent_bridge.store.agents import DesiredAgent, EntryChanges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent_bridge.config.agents import AgentConfig
    from agent_bridge.config.conversations import TemplatesConfig
    from agent_bridge.config.model import UpstreamConfig
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
    identities = {(each.agent.upstream, each.agent.agent_id) for each in known}
    ghosts = {each.agent.ghost for each in known}
    for entry in entries:
        agent = chosen.get(entry.config.id)
        if agent is not None:
            wanted = _desired(entry, agent, agent.agent_id, agent.ghost, templates)
            if wanted != _present(rooms[agent.id]):
                changed.append((agent.id, wanted))
            continue
        upstream = entry.upstream.name
        agent_id = fresh_identity(entry.config.id, {taken for name, taken in identities if name == upstream})
        identities.add((upstream, agent_id))
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
    chosen: dict[str, Agent] = {}
    for rule in (_stays, _has_identity, _moved, _is_listed):
        for entry in entries:
            if entry.config.id in chosen:
                continue
            taken = {agent.id for agent in chosen.values()}
            for agent in (each for each in known if each.id not in taken):
                if rule(entry, agent, known):
                    chosen[entry.config.id] = agent
                    break
    return chosen


def _stays(entry: Entry, agent: Agent, _: Sequence[Agent]) -> bool:
    return agent.entry == entry.config.id and agent.upstream == entry.upstream.name


def _has_identity(entry: Entry, agent: Agent, _: Sequence[Agent]) -> bool:
    return (agent.upstream, agent.agent_id) == (entry.upstream.name, entry.config.id)


def _moved(entry: Entry, agent: Agent, known: Sequence[Agent]) -> bool:
    there = {each.agent_id for each in known if each.upstream == entry.upstream.name}
    return agent.entry == entry.config.id and agent.agent_id not in there


def _is_listed(entry: Entry, agent: Agent, _: Sequence[Agent]) -> bool:
    is_there = agent.entry is None and agent.state is not AgentState.GONE
    return is_there and (agent.upstream, agent.model) == (entry.upstream.name, entry.config.id)


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
        state=AgentState.ACTIVE,
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
